"""Who logged in, who failed to, who left: each with its mark. Whoever fails too often from one address waits.

Of a failed login the typed name is told only if it is one of ours: people type their password there, or a patient.
Django's signals come from the pages and from whatever else calls its `login`; a mark that cannot be written ends the
login, which is then none.
"""

from typing import Any, Final

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from proxy.audit.acting import who_acts
from proxy.audit.actions import LOGGED_IN, LOGGED_OUT, LOGIN_FAILED, PASSWORD_SET
from proxy.audit.record import record
from proxy.callers import Caller, caller_of
from proxy.rates import Rates

NOBODY: Final = "somebody unknown"
MOST_FAILURES: Final = 10  # in a minute, of one address, as at the doors for programs
TOO_OFTEN: Final = "Too many logins have failed from where you are. Wait a minute, then try again."

failures: Final = Rates()


def connect() -> None:
    user_logged_in.connect(_logged_in, dispatch_uid="postern audit")
    user_logged_out.connect(_logged_out, dispatch_uid="postern audit")
    user_login_failed.connect(_login_failed, dispatch_uid="postern audit")
    admin.site.login_form = MarkedLogin


def _logged_in(sender: Any, request: HttpRequest | None, user: Any, **more: Any) -> None:
    _mark(LOGGED_IN, user.get_username(), request)


def _logged_out(sender: Any, request: HttpRequest | None, user: Any, **more: Any) -> None:
    if user is not None:
        _mark(LOGGED_OUT, user.get_username(), request)


def _login_failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **more: Any
) -> None:
    _count(request)
    _mark(LOGIN_FAILED, known(str(credentials.get("username", ""))), request)


def _count(request: HttpRequest | None) -> None:
    if request is not None:
        failures.take(_caller(request).neighbourhood, MOST_FAILURES)


def _must_wait(request: HttpRequest | None) -> bool:
    return request is not None and bool(failures.wait(_caller(request).neighbourhood, MOST_FAILURES))


def known(typed: str) -> str:
    """The name of one of our users, or nobody's."""
    users = get_user_model()._default_manager
    found = users.filter(username=typed).values_list("username", flat=True) if "\0" not in typed else ()
    return next(iter(found), NOBODY)


def _mark(action: str, name: str, request: HttpRequest | None, **more: str) -> None:
    subject = "" if name == NOBODY else f"user {name}"
    record(action, actor=name, subject=subject, detail={"address": _address(request), **more})


def _address(request: HttpRequest | None) -> str:
    return _caller(request).address if request is not None else ""


def _caller(request: HttpRequest) -> Caller:
    return caller_of(request.META, settings.API_TRUSTED_PROXIES, request.is_secure())


class MarkedLogin(AdminAuthenticationForm):
    """The right password of somebody who may not come in is a failed login too, of which Django tells nobody."""

    def clean(self) -> Any:
        """Before the password is looked at: whoever waits learns nothing of it, and leaves no more marks."""
        if _must_wait(self.request):
            raise forms.ValidationError(TOO_OFTEN, code="too_often")
        return super().clean()

    def confirm_login_allowed(self, user: Any) -> None:
        try:
            super().confirm_login_allowed(user)
        except forms.ValidationError:
            _count(self.request)
            _mark(LOGIN_FAILED, user.get_username(), self.request, why="no access to the pages")
            raise


class PasswordsAreMarked:
    """Stands among AUTH_PASSWORD_VALIDATORS, because these hear of each new password, wherever it was typed."""

    def validate(self, password: str, user: Any = None) -> None:
        """Every password is fine to us."""

    def password_changed(self, password: str, user: Any = None) -> None:
        record(PASSWORD_SET, actor=who_acts(), subject=f"user {user.get_username()}")

    def get_help_text(self) -> str:
        return "A new password leaves a mark in the audit; the password itself stands nowhere."

"""Who asks under `/v1`: a program with a token of staff, a page of ours in somebody's session, or a customer.

Staff may what their permissions say, everywhere, as on the pages. A customer sees its own project, through the doors
that are open to customers, and decides nothing.
"""

from typing import Any, Final

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from proxy.api.authentication import CHALLENGE, LONGEST, TOKEN, failed, spare
from proxy.api.keyholders import KeyHolder
from proxy.api.problems import Problem
from proxy.staff import tokens

NO_CSRF: Final = "Whoever asks in a browser's session shows its CSRF token in the header X-CSRFToken."


class StaffToken(BaseAuthentication):
    """`Authorization: Bearer pst_...`. The user is Django's, and `auth` the token's row."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        said = request.META.get("HTTP_AUTHORIZATION", "")
        if not said:
            return None
        spare(request)
        found = TOKEN.fullmatch(said) if len(said) <= LONGEST else None
        token = tokens.whose(found[1], timezone.now()) if found else None
        if token is None:
            raise failed(request)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class StaffSession(SessionAuthentication):
    """Whoever is logged in on our pages. Anything but a look needs the CSRF token, so that no other site can ask."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        user = request._request.user
        if not (user.is_active and user.is_staff):
            return None
        self.enforce_csrf(request)
        return user, None

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise Problem(403, "no-csrf-token", NO_CSRF) from None


class Allowed(BasePermission):
    """Staff with the permission that the door `needs`; customers, where the door is for them too."""

    def has_permission(self, request: Any, view: Any) -> bool:
        user = request.user
        if isinstance(user, KeyHolder):
            return bool(view.is_for_customers)
        return user is not None and bool(user.has_perm(view.needs))


class Staff(BasePermission):
    """Anybody of the staff: what they may is decided, and marked, by what they ask for."""

    def has_permission(self, request: Any, view: Any) -> bool:
        return request.user is not None and not isinstance(request.user, KeyHolder)


def customer(request: Request) -> KeyHolder | None:
    user: Any = request.user
    return user if isinstance(user, KeyHolder) else None


def within(request: Request, rows: "QuerySet[Any]", project: str = "project") -> "QuerySet[Any]":
    """Those of these rows that whoever asks may know of; `project` leads from a row to its project."""
    holder = customer(request)
    return rows if holder is None else rows.filter(**{project: holder.customer.project_id})


def by(request: Request) -> str:
    """The principal who acts, as the audit names them."""
    return str(request.user.get_username())

"""What all pages of the admin share: read-only rows, decisions with a comment, marks for what is edited."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import Model
from django.http import HttpRequest

from proxy.routing.audited import tell
from proxy.storage.keys import KeysMissing

if TYPE_CHECKING:
    Admin = admin.ModelAdmin[Any]
    Inline = admin.TabularInline[Any, Any]
else:
    Admin = admin.ModelAdmin
    Inline = admin.TabularInline


def by(request: HttpRequest) -> str:
    """The principal who acts, as the audit names them."""
    return str(request.user.get_username())


class CommentForm(ActionForm):
    comment = forms.CharField(
        required=False,
        max_length=255,
        help_text="Why, for the audit. Never a patient's name or number.",
        widget=forms.TextInput(attrs={"placeholder": "why (no names of patients)", "size": 40}),
    )


class _Shown:
    """Mixed into admins and inlines: everybody with the view permission may look, nobody may write."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(_Shown, Admin):
    """Rows of a life. Deciding something about them needs the model's change permission."""

    action_form = CommentForm
    list_per_page = 50
    show_full_result_count = False
    search_help_text = "Pseudonyms and pseudonymous UIDs. Never type a patient's name: addresses are logged."

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")


class ReadOnlyInline(_Shown, Inline):
    extra = 0
    show_change_link = True


Decision = Callable[[Any], bool | str]


def decide(view: "Admin", request: HttpRequest, rows: Iterable[Model], decision: Decision, done: str) -> None:
    """Carry a decision out row by row, and say for how many it could be. A text is a refusal's reason."""
    count, refused = 0, []
    for row in rows:
        outcome = _outcome(decision, row)
        if outcome is True:
            count += 1
        else:
            refused.append(f"{row}: {outcome or 'somebody was faster, or this cannot be decided now.'}")
    if count:
        view.message_user(request, f"{count} {done}.", messages.SUCCESS)
    for sentence in refused[:10]:
        view.message_user(request, sentence, messages.WARNING)


def _outcome(decision: Decision, row: Model) -> bool | str:
    """Without the audit's key there is no mark, and without a mark no decision."""
    try:
        return decision(row)
    except KeysMissing as missing:
        return str(missing)


def comment_of(request: HttpRequest) -> str:
    return request.POST.get("comment", "").strip()[:255]


class MarkedAdmin(Admin):
    """Rows a person may edit. Django calls these hooks last in the transaction of the change."""

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        self.mark(request, obj, "created")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        fields = changed_fields(message)
        if fields:
            self.mark(request, obj, "updated: " + ", ".join(fields))
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self.mark(request, obj, "deleted")
        return super().log_deletions(request, queryset)

    def mark(self, request: HttpRequest, obj: Any, what: str) -> None:
        subject = f"{self.opts.model_name} {obj}"
        tell(by(request), [f"{subject} {what}"], subject)


def changed_fields(message: Any) -> list[str]:
    """Names of fields out of Django's change message; values never stand there."""
    parts = message if isinstance(message, list) else []
    return [name for part in parts for name in part.get("changed", {}).get("fields", [])]

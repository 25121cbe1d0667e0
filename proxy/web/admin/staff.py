"""Tokens of the API: which there are, for whom, until when; to revoke. They are made by the command `staff_token`."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from proxy.staff import tokens
from proxy.staff.models import Token
from proxy.web.admin.base import ReadOnlyAdmin, by, decide


@admin.register(Token)
class TokenAdmin(ReadOnlyAdmin):
    list_display = ("__str__", "user", "made_at", "until", "used_on", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    exclude = ("digest",)
    actions = ("revoke",)

    @admin.action(description="Revoke (opens nothing any more)", permissions=["decide"])
    def revoke(self, request: HttpRequest, rows: "QuerySet[Token]") -> None:
        now = timezone.now()
        mine = rows.select_related("user")
        decide(self, request, mine, lambda row: tokens.revoke(row, by(request), now), "revoked")

"""Requests for storage commitment: who asked, what we said, and who has not heard it."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from proxy.retrieval.commitments import ask_again
from proxy.retrieval.models import Commitment
from proxy.web.admin.base import ReadOnlyAdmin, decide


@admin.register(Commitment)
class CommitmentAdmin(ReadOnlyAdmin):
    list_display = ("asked_at", "node", "state", "asked", "committed", "tries", "next_try_at", "reason")
    list_filter = ("state", "node")
    list_select_related = ("node",)
    exclude = ("transaction", "memo")
    actions = ("again",)

    @admin.action(description="Call the asker again", permissions=["decide"])
    def again(self, request: HttpRequest, rows: "QuerySet[Commitment]") -> None:
        decide(self, request, rows, ask_again, "will be called again")

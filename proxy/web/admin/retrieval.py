"""Requests for storage commitment: who asked, what we said, and who has not heard it. Pulls: what came of them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from proxy.retrieval.commitments import ask_again
from proxy.retrieval.models import Commitment, Pull, PullItem
from proxy.retrieval.pulls import book
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


@admin.register(Pull)
class PullAdmin(ReadOnlyAdmin):
    """Going on with one takes its command again: what was asked for stands nowhere here."""

    actions = ("drop",)

    list_display = ("asked_at", "node", "to", "called_ae", "state", "by", "ended_at")
    list_filter = ("state", "node")
    list_select_related = ("node", "to")
    exclude = ("digest",)

    @admin.action(description="Drop what was begun, and the UIDs of its studies", permissions=["decide"])
    def drop(self, request: HttpRequest, rows: "QuerySet[Pull]") -> None:
        decide(self, request, rows, lambda pull: book.drop(pull, timezone.now()), "are dropped")


@admin.register(PullItem)
class PullItemAdmin(ReadOnlyAdmin):
    list_display = ("id", "pull", "state", "said", "arrived", "left_out", "reason")
    list_filter = ("state",)
    list_select_related = ("pull",)
    exclude = ("digest", "memo")

"""What the backend says of us, what of it was not believed, and its nodes, which a person confirms or bars."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from proxy.backend import confirming, dispatches
from proxy.backend.models import BackendNode, Deletion, Dispatch, Outgoing, Standing, UserRight
from proxy.web.admin.base import MarkedAdmin, ReadOnlyAdmin, by, decide


@admin.register(Standing)
class StandingAdmin(ReadOnlyAdmin):
    list_display = ("state", "reason", "is_active", "asked_at", "known_at", "connected_at", "refused_fields")
    readonly_fields = ("refused_fields",)
    exclude = ("refused",)
    actions = ()

    @admin.display(description="not believed")
    def refused_fields(self, row: Standing) -> str:
        return " ".join(f"{field}: {reason}" for field, reason in row.refused) or "-"


@admin.register(BackendNode)
class BackendNodeAdmin(ReadOnlyAdmin):
    list_display = (
        "name", "node", "place", "reads", "writes", "is_active", "view", "is_reachable",
        "confirmed_by", "barred_at",
    )  # fmt: skip
    list_select_related = ("node",)
    list_filter = ("is_active", "is_reachable")
    actions = ("confirm", "bar", "admit")
    search_fields = ("name", "backend_id")
    search_help_text = "Names of nodes."

    @admin.display(description="AE title and address")
    def place(self, row: BackendNode) -> str:
        return f"{row.node.ae_title} at {row.node.host}:{row.node.port}" if row.node else "-"

    @admin.display(description="view")
    def view(self, row: BackendNode) -> str:
        return row.node.view if row.node else "-"

    @admin.action(description="Confirm (its address is what it says)", permissions=["decide"])
    def confirm(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: confirming.confirm(row, by(request), now), "confirmed")

    @admin.action(description="Bar (out of force, whatever the backend says)", permissions=["decide"])
    def bar(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: confirming.bar(row, by(request), now), "barred")

    @admin.action(description="Admit again", permissions=["decide"])
    def admit(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: confirming.admit(row, by(request), now), "admitted")


@admin.register(Outgoing)
class OutgoingAdmin(ReadOnlyAdmin):
    list_display = ("key", "put_at", "sent_at", "tries", "next_at")
    actions = ()


@admin.register(Dispatch)
class DispatchAdmin(ReadOnlyAdmin):
    list_display = ("asked_at", "kind", "entity", "state", "sent", "total", "tries", "next_try_at", "reason")
    list_filter = ("state", "kind")
    exclude = ("done", "token")
    search_fields = ("entity", "correlation")
    search_help_text = "Ids of the backend."
    actions = ("again", "give_up")

    @admin.action(description="Fetch and send again", permissions=["decide"])
    def again(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: dispatches.again(row, by(request), now), "asked for again")

    @admin.action(description="Give up", permissions=["decide"])
    def give_up(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: dispatches.give_up(row, by(request), now), "given up")


@admin.register(Deletion)
class DeletionAdmin(ReadOnlyAdmin):
    list_display = ("said_at", "kind", "entity", "given_up")
    list_filter = ("kind",)
    search_fields = ("entity",)
    search_help_text = "Ids of the backend."
    actions = ()


@admin.register(UserRight)
class UserRightAdmin(MarkedAdmin):
    """Who of the backend's users may see identities is ours to give, and to take."""

    list_display = ("whom", "name", "project", "until")
    list_filter = ("whom", "project")
    list_select_related = ("project",)
    search_fields = ("name",)
    search_help_text = "Roles, and the backend's ids of users."

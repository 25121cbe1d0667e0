"""The configuration, editable: by the schema of the site file, and each change with its mark."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone

from proxy.deliveries import decisions
from proxy.routing import tokens
from proxy.routing.audited import tell
from proxy.routing.models import BACKEND, SITE, Destination, Node, NodeToken, Project, Refusal, Route
from proxy.routing.site.keeping import one_at_a_time
from proxy.routing.standing import standstill_of
from proxy.web.admin.base import CommentForm, MarkedAdmin, ReadOnlyAdmin, by, decide
from proxy.web.admin.replay import may_replay, replay_page
from proxy.web.admin.site_form import (
    DestinationForm,
    NodeForm,
    ProjectForm,
    RouteForm,
    spec_of,
    troubles_of,
    troubles_without,
)


class InForceFilter(admin.SimpleListFilter):
    title = "in force"
    parameter_name = "in_force"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "in force"), ("no", "retired")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if self.value() is None:
            return queryset
        return queryset.filter(retired_at__isnull=self.value() == "yes")


BAR_IT = "the backend made it: bar or admit it on the page of the backend's nodes."


class RetirableAdmin(MarkedAdmin):
    """Nothing is deleted: what is no longer wanted is retired, and may come back as itself."""

    action_form = CommentForm
    actions: tuple[str, ...] = ("retire", "reinstate")
    fixed: tuple[str, ...] = ("name",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A name is the object's identity in site file, ledger and audit."""
        return (*self.readonly_fields, "retired_at", *(self.fixed if obj else ()))

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = _in_force(db_field.related_model)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["queryset"] = _in_force(db_field.related_model)
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    @admin.action(description="Retire (out of force, nothing is deleted)", permissions=["change"])
    def retire(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        decide(self, request, rows, lambda row: self._retire(request, row), "retired")

    @admin.action(description="Reinstate (in force again)", permissions=["change"])
    def reinstate(self, request: HttpRequest, rows: "QuerySet[Any]") -> None:
        decide(self, request, rows, lambda row: self._reinstate(request, row), "reinstated")

    def _retire(self, request: HttpRequest, row: Any) -> bool | str:
        if _is_the_backends(row):
            return BAR_IT
        with transaction.atomic():
            one_at_a_time()
            needed = troubles_without(spec_of(row))
            if needed:
                return f"it is still needed: {needed[0]}"
            return self._move(request, row, "retired", retired_at=timezone.now())

    def _reinstate(self, request: HttpRequest, row: Any) -> bool | str:
        if _is_the_backends(row):
            return BAR_IT
        with transaction.atomic():
            one_at_a_time()
            troubles = troubles_of(spec_of(row), spec_of(row))
            if troubles:
                return f"not as things are: {troubles[0].what}"
            return self._move(request, row, "reinstated", retired_at=None)

    def _move(self, request: HttpRequest, row: Any, what: str, **changes: Any) -> bool:
        standing = type(row)._default_manager.filter(pk=row.pk, retired_at__isnull=what == "retired")
        if not standing.update(**changes):
            return False
        subject = f"{self.opts.model_name} {row}"
        tell(by(request), [f"{subject} {what}"], subject)
        return True


def _in_force(model: Any) -> Any:
    """What the backend has made is not the site's to use: it may take it back."""
    standing = model._default_manager.filter(retired_at=None)
    return standing.filter(origin=SITE) if model in {Node, Destination} else standing


def _is_the_backends(row: Any) -> bool:
    return getattr(row, "origin", SITE) == BACKEND


@admin.register(Project)
class ProjectAdmin(RetirableAdmin):
    form = ProjectForm
    list_display = ("name", "recipe", "issuer", "retired_at")
    list_filter = (InForceFilter,)


@admin.register(Node)
class NodeAdmin(RetirableAdmin):
    form = NodeForm
    list_display = ("name", "ae_title", "host", "port", "rights", "view", "outside", "origin", "retired_at")
    list_filter = (InForceFilter, "origin", "view", "outside")
    search_fields = ("name", "ae_title", "host")
    filter_horizontal = ("projects",)
    readonly_fields = ("origin",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Where one of its nodes is, the backend says; what it may see, a person."""
        theirs = ("ae_title", "host", "port") if obj is not None and _is_the_backends(obj) else ()
        return (*super().get_readonly_fields(request, obj), *theirs)

    @admin.display(description="may")
    def rights(self, node: Node) -> str:
        return ", ".join(node.may) or "-"


@admin.register(Destination)
class DestinationAdmin(RetirableAdmin):
    form = DestinationForm
    list_display = ("name", "kind", "node", "path", "url", "state", "failures", "retired_at")
    list_filter = (InForceFilter, "kind")
    list_select_related = ("node",)
    readonly_fields = (
        *("origin", "failures", "trouble", "rests_until"),
        *("probed_at", "spent_until", "paused_at"),
    )
    actions = ("retire", "reinstate", "pause", "resume", "replay")

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self._replay, cacheable=False)
        return [path("<int:pk>/replay/", page, name="routing_destination_replay"), *super().get_urls()]

    def _replay(self, request: HttpRequest, pk: int) -> HttpResponse:
        return replay_page(self, request, get_object_or_404(Destination, pk=pk))

    def has_replay_permission(self, request: HttpRequest) -> bool:
        return may_replay(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One of the backend's is shown, and paused or resumed like any other."""
        mine = obj is None or not _is_the_backends(obj)
        return mine and super().has_change_permission(request, obj)

    @admin.display(description="state")
    def state(self, destination: Destination) -> str:
        still = standstill_of(destination, timezone.now())
        return "open" if still is None else still.short

    @admin.action(description="Pause (nothing is sent until resumed)", permissions=["change"])
    def pause(self, request: HttpRequest, rows: "QuerySet[Destination]") -> None:
        now = timezone.now()
        decide(self, request, rows, lambda row: decisions.pause(row, by(request), now), "paused")

    @admin.action(description="Resume (send again, at once)", permissions=["change"])
    def resume(self, request: HttpRequest, rows: "QuerySet[Destination]") -> None:
        decide(self, request, rows, lambda row: decisions.resume(row, by(request)), "resumed")

    @admin.action(description="Replay (send once more what it got since a time)", permissions=["replay"])
    def replay(self, request: HttpRequest, rows: "QuerySet[Destination]") -> HttpResponse | None:
        """Asks for the time on a page of its own."""
        if len(rows) == 1:
            return redirect("admin:routing_destination_replay", pk=rows[0].pk)
        self.message_user(request, "Choose one destination: each has its own time.", messages.WARNING)
        return None


@admin.register(Route)
class RouteAdmin(RetirableAdmin):
    form = RouteForm
    list_display = ("called_ae", "caller", "project", "goes_to", "review", "retired_at")
    list_filter = (InForceFilter, "project")
    list_select_related = ("project",)
    filter_horizontal = ("destinations",)
    fixed = ("called_ae", "calling_ae")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Route]":
        return super().get_queryset(request).prefetch_related("destinations")

    @admin.display(description="calling AE")
    def caller(self, route: Route) -> str:
        return route.calling_ae or "whoever calls"

    @admin.display(description="destinations")
    def goes_to(self, route: Route) -> str:
        return ", ".join(sorted(one.name for one in route.destinations.all())) or "stays here"


@admin.register(NodeToken)
class NodeTokenAdmin(ReadOnlyAdmin):
    """Made by the command `token`: a page would show the token to whoever looks over a shoulder."""

    list_display = ("id", "node", "called_ae", "until", "used_at", "made_at", "made_by", "withdrawn_at")
    list_filter = (("withdrawn_at", admin.EmptyFieldListFilter),)
    search_fields = ("=node__name",)
    search_help_text = "The name of a node."
    ordering = ("-made_at",)
    exclude = ("digest",)
    actions = ("withdraw",)

    @admin.action(permissions=["decide"], description="Withdraw: not accepted from now on")
    def withdraw(self, request: HttpRequest, queryset: "QuerySet[NodeToken]") -> None:
        now = timezone.now()
        decide(self, request, queryset, lambda one: tokens.withdraw(one.pk, by(request), now), "withdrawn")


@admin.register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    list_display = ("last_at", "calling_ae", "address", "called_ae", "code", "why", "count", "first_at")
    list_filter = ("code",)
    search_fields = ("=calling_ae", "=address", "=called_ae")
    search_help_text = "AE titles and addresses."
    ordering = ("-last_at",)

"""The queue as a page: where every revision stands on its way, and the buttons of those who look after it."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone

from proxy.deliveries import decisions
from proxy.deliveries.models import Attempt, CommitmentRequest, Delivery, Priority
from proxy.routing.models import Destination
from proxy.routing.standing import standstill_of
from proxy.web.admin.base import ReadOnlyAdmin, ReadOnlyInline, by, comment_of, decide
from proxy.web.admin.ledger import ledger_page


class AttemptInline(ReadOnlyInline):
    model = Attempt
    fields = ("started_at", "ended_at", "outcome", "acknowledged", "reason")
    ordering = ("-started_at",)


class CommitmentInline(ReadOnlyInline):
    model = CommitmentRequest
    verbose_name_plural = "storage commitment"
    fields = ("asked_at", "heard_at", "committed", "failed", "reason")
    ordering = ("-asked_at",)


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    list_display = (
        *("study", "destination", "state", "priority", "progress"),
        *("attempts", "next_try_at", "reason"),
    )
    list_filter = ("state", "destination", "priority")
    list_select_related = ("revision__study", "destination")
    search_fields = ("=revision__study__uid", "=revision__study__patient")
    exclude = ("acks", "commits", "token")
    inlines = (AttemptInline, CommitmentInline)
    actions = ("retry", "first", "last", "drop")

    def get_urls(self) -> list[URLPattern]:
        return [path("ledger/", self.admin_site.admin_view(self._ledger), name="ledger"), *super().get_urls()]

    def _ledger(self, request: HttpRequest) -> HttpResponse:
        return ledger_page(self, request)

    @admin.display(description="study")
    def study(self, delivery: Delivery) -> str:
        return f"{delivery.revision.study.uid} ({delivery.revision.number})"

    @admin.display(description="images")
    def progress(self, delivery: Delivery) -> str:
        kept = f", {delivery.committed} committed" if delivery.committed else ""
        return f"{delivery.acknowledged} of {delivery.total}{kept}"

    @admin.action(description="Retry now", permissions=["decide"])
    def retry(self, request: HttpRequest, rows: "QuerySet[Delivery]") -> None:
        now = timezone.now()

        def retry(row: Delivery) -> bool | str:
            return decisions.retry(row, by(request), now) or decisions.NOT_AGAIN

        decide(self, request, rows, retry, "will be tried now")
        self._tell_of_standstill(request, rows)

    def _tell_of_standstill(self, request: HttpRequest, rows: "QuerySet[Delivery]") -> None:
        """Now is when its destination takes something."""
        for one in Destination.objects.filter(pk__in=rows.values("destination")).select_related("node"):
            still = standstill_of(one, timezone.now())
            if still is not None:
                said = f"Nothing goes to {one} now: {still.why.rstrip('.')}. {still.todo}"
                self.message_user(request, said, messages.WARNING)

    @admin.action(description="Send before others (urgent)", permissions=["decide"])
    def first(self, request: HttpRequest, rows: "QuerySet[Delivery]") -> None:
        self._prefer(request, rows, Priority.URGENT, "will go before others")

    @admin.action(description="Send after others (bulk)", permissions=["decide"])
    def last(self, request: HttpRequest, rows: "QuerySet[Delivery]") -> None:
        self._prefer(request, rows, Priority.BULK, "will go after others")

    def _prefer(
        self, request: HttpRequest, rows: "QuerySet[Delivery]", priority: Priority, done: str
    ) -> None:
        decide(self, request, rows, lambda row: decisions.prefer(row, priority, by(request)), done)

    @admin.action(description="Drop (give it up, counted as excluded)", permissions=["decide"])
    def drop(self, request: HttpRequest, rows: "QuerySet[Delivery]") -> None:
        now, why = timezone.now(), comment_of(request)
        decide(self, request, rows, lambda row: decisions.drop(row, by(request), now, why), "dropped")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("study", "destination", "started_at", "ended_at", "outcome", "acknowledged", "reason")
    list_filter = ("outcome", "delivery__destination")
    list_select_related = ("delivery__revision__study", "delivery__destination")
    date_hierarchy = "started_at"

    @admin.display(description="study")
    def study(self, attempt: Attempt) -> str:
        return f"{attempt.delivery.revision.study.uid} ({attempt.delivery.revision.number})"

    @admin.display(description="destination")
    def destination(self, attempt: Attempt) -> str:
        return attempt.delivery.destination.name


@admin.register(CommitmentRequest)
class CommitmentRequestAdmin(ReadOnlyAdmin):
    """What destinations were asked to keep, and what they said."""

    list_display = ("study", "destination", "asked_at", "heard_at", "committed", "failed", "reason")
    list_filter = ("delivery__destination",)
    list_select_related = ("delivery__revision__study", "delivery__destination")
    exclude = ("asked",)

    @admin.display(description="study")
    def study(self, request: CommitmentRequest) -> str:
        return f"{request.delivery.revision.study.uid} ({request.delivery.revision.number})"

    @admin.display(description="destination")
    def destination(self, request: CommitmentRequest) -> str:
        return request.delivery.destination.name

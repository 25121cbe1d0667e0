"""The books balance: received = delivered + excluded + held + in flight, for each destination (promise 4).

The two sides come from different tables on purpose. Received counts instances and held items; the other side adds
up deliveries and the states of revisions. So a delivery that was never opened, or a counter that drifted, shows as
a difference. All figures come from one statement, which sees one moment of the database and locks nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import BigIntegerField, Count, Exists, F, OuterRef, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast

from proxy.deliveries import bitmap, lifecycle
from proxy.deliveries.models import Delivery
from proxy.quarantine import lifecycle as held_life
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision, Study

RECEIVED, DELIVERED, EXCLUDED, HELD, IN_FLIGHT = "received", "delivered", "excluded", "held", "in flight"
COMMITTED, EXPIRED = "committed", "expired"

_Bound = Revision.destinations.through
_HeldFor = HeldItem.destinations.through
_Rows = QuerySet[Any]


@dataclass(frozen=True, slots=True)
class Line:
    """The account of one destination, in images. `committed` is a part of what was delivered; of `expired`, which is a
    part of what was received, the files are gone here."""

    destination: str
    received: int
    delivered: int
    excluded: int
    held: int
    in_flight: int
    committed: int = 0
    expired: int = 0

    @property
    def difference(self) -> int:
        return self.received - (self.delivered + self.excluded + self.held + self.in_flight)


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter that does not say what the bitmap or the index says."""

    delivery_id: int
    what: str
    counter: int
    counted: int


def balance() -> list[Line]:
    """A line for each destination, by name; retired ones too, as long as they had images."""
    return _lines(_entries(Q(), Q(), Q()))


def balance_of(study: Study) -> list[Line]:
    """The same for one study; only the destinations it has to do with."""
    held = Q(helditem__project=study.project_id, helditem__study_uid=study.uid)
    return [
        line
        for line in _lines(_entries(Q(revision__study=study), held, Q(revision__study=study)))
        if _says(line)
    ]


def _says(line: Line) -> bool:
    return any((line.received, line.delivered, line.excluded, line.held, line.in_flight))


def _lines(entries: _Rows) -> list[Line]:
    sums: dict[int, dict[str, int]] = {}
    for destination_id, column, images in entries:
        account = sums.setdefault(destination_id, {})
        account[column] = account.get(column, 0) + (images or 0)
    rows = Destination.objects.order_by("name").values_list("pk", "name", "retired_at")
    lines = [(_line(name, sums.get(pk, {})), retired_at) for pk, name, retired_at in rows]
    return [line for line, retired_at in lines if retired_at is None or _says(line)]


def _line(name: str, sums: dict[str, int]) -> Line:
    columns = (RECEIVED, DELIVERED, EXCLUDED, HELD, IN_FLIGHT, COMMITTED, EXPIRED)
    return Line(name, *(sums.get(column, 0) for column in columns))


# --- what stands in the books, one query for each way to be counted -------------------------------


def _entries(bound: Q, held: Q, sent: Q) -> _Rows:
    """(destination, column, images), as one statement."""
    first, *others = (*_received(bound, held), *_by_delivery(sent), *_by_revision(bound), *_by_held(held))
    return first.union(*others, all=True)


def _received(bound: Q, held: Q) -> Iterator[_Rows]:
    yield _say(_Bound.objects.filter(bound), RECEIVED, Count("revision__instances"))
    counted = _HeldFor.objects.filter(held).exclude(
        helditem__state__in=[held_life.RELEASED, held_life.DUPLICATE]
    )
    yield _say(counted, RECEIVED, Count("helditem"))


def _by_delivery(sent: Q) -> Iterator[_Rows]:
    rows = Delivery.objects.filter(sent)
    unsent = Sum(F("total") - F("acknowledged"))
    open_states = [lifecycle.WAITING, lifecycle.CLAIMED, lifecycle.REFUSED]
    yield _say(rows, DELIVERED, Sum("acknowledged"))
    yield _say(rows, COMMITTED, Sum("committed"))
    yield _say(rows.filter(state=lifecycle.DROPPED), EXCLUDED, unsent)
    yield _say(rows.filter(state__in=open_states), IN_FLIGHT, unsent)


def _by_revision(bound: Q) -> Iterator[_Rows]:
    """What expired; and revisions that have no delivery for the destination: not sent yet, or never."""
    gone = _Bound.objects.filter(bound, revision__state=study_life.EXPIRED)
    yield _say(gone, EXPIRED, Sum("revision__total"))
    opened = Delivery.objects.filter(revision=OuterRef("revision"), destination=OuterRef("destination"))
    rows = _Bound.objects.filter(bound).filter(~Exists(opened))
    early = Q(revision__state__in=[study_life.RECEIVING, study_life.COMPLETE])
    free = Q(revision__study__held_at=None)
    over = Q(revision__state__in=[study_life.REJECTED, study_life.EXPIRED])
    images = Sum("revision__total")
    yield _say(rows.filter(over), EXCLUDED, images)
    released = Q(revision__state=study_life.RELEASED)  # and held before its deliveries were opened
    stopped = Q(revision__state=study_life.REVIEW) | (early | released) & ~free
    yield _say(rows.filter(stopped), HELD, images)
    yield _say(rows.filter(early & free), IN_FLIGHT, images)


def _by_held(held: Q) -> Iterator[_Rows]:
    rows = _HeldFor.objects.filter(held)
    yield _say(rows.filter(helditem__state=held_life.HELD), HELD, Count("helditem"))
    gone = [held_life.DISCARDED, held_life.EXPIRED]
    yield _say(rows.filter(helditem__state__in=gone), EXCLUDED, Count("helditem"))
    yield _say(rows.filter(helditem__state=held_life.EXPIRED), EXPIRED, Count("helditem"))


def _say(rows: _Rows, column: str, images: Any) -> _Rows:
    said = (
        rows.order_by()
        .values("destination_id")
        .annotate(column=Value(column), images=Cast(images, BigIntegerField()))
    )
    entries: _Rows = said.values_list("destination_id", "column", "images")
    return entries


# --- what the counters say against what is there --------------------------------------------------


def recount() -> Iterator[Drift]:
    """Compare each delivery's counters with its bitmap and with the index; page by page, so nothing is locked."""
    last = 0
    while page := list(_page(last)):
        for delivery in page:
            yield from _drifts(delivery)
        last = page[-1].pk


def _page(after: int, size: int = 500) -> "QuerySet[Delivery]":
    rows = Delivery.objects.filter(pk__gt=after).annotate(instances=Count("revision__instances"))
    return rows.order_by("pk")[:size]


def _drifts(delivery: Any) -> Iterator[Drift]:
    bits = bitmap.count(bytes(delivery.acks))
    if bits != delivery.acknowledged:
        yield Drift(delivery.pk, "acknowledged", delivery.acknowledged, bits)
    kept = bitmap.count(bytes(delivery.commits))
    if kept != delivery.committed:
        yield Drift(delivery.pk, "committed", delivery.committed, kept)
    if delivery.instances != delivery.total:
        yield Drift(delivery.pk, "total", delivery.total, delivery.instances)

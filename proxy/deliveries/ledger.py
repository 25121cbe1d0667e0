"""The books balance: received = delivered + excluded + held + in flight, for each destination (promise 4).

The two sides come from different tables on purpose. Received counts instances and held items; the other side adds
up deliveries and the states of revisions. So a delivery that was never opened, or a counter that drifted, shows as
a difference. All figures come from one statement, which sees one moment of the database and locks nothing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    Count,
    Exists,
    F,
    OuterRef,
    Q,
    QuerySet,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Cast, TruncDate

from proxy.deliveries import bitmap, lifecycle
from proxy.deliveries.models import Delivery
from proxy.quarantine import lifecycle as held_life
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision, Study

RECEIVED, DELIVERED, EXCLUDED, HELD, IN_FLIGHT = "received", "delivered", "excluded", "held", "in flight"
QUARANTINED, COMMITTED, EXPIRED = "quarantined", "committed", "expired"

_Bound = Revision.destinations.through
_HeldFor = HeldItem.destinations.through
_Rows = QuerySet[Any]


Key = str | date
"""What figures are about beside their destination: a study's UID, a day, or nothing."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Which rows are counted: revisions bound to a destination, images held for one, deliveries."""

    bound: Q
    held: Q
    sent: Q


EVERYTHING = Rows(Q(), Q(), Q())


@dataclass(frozen=True, slots=True)
class By:
    """How each kind of row names its key."""

    bound: Any
    held: Any

    @property
    def sent(self) -> Any:
        """A delivery reaches its revision by the same word as what is bound."""
        return self.bound


WHOLE = By(Value("", CharField()), Value("", CharField()))
BY_DAY = By(TruncDate("revision__opened_at"), TruncDate("helditem__held_at"))
"""An image belongs to the day, in UTC, on which its revision was opened, or on which it was held."""
BY_STUDY = By(F("revision__study__uid"), F("helditem__study_uid"))


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

    @property
    def says_something(self) -> bool:
        return any((self.received, self.delivered, self.excluded, self.held, self.in_flight))


@dataclass(frozen=True, slots=True)
class Drift:
    """A counter that does not say what the bitmap or the index says."""

    delivery_id: int
    what: str
    counter: int
    counted: int


def balance() -> list[Line]:
    """A line for each destination, by name; retired ones too, as long as they had images."""
    return _lines(entries(EVERYTHING))


def balance_of(study: Study) -> list[Line]:
    """The same for one study; only the destinations it has to do with."""
    held = Q(helditem__project=study.project_id, helditem__study_uid=study.uid)
    rows = Rows(Q(revision__study=study), held, Q(revision__study=study))
    return [line for line in _lines(entries(rows)) if line.says_something]


def _lines(entries: _Rows) -> list[Line]:
    sums: dict[int, dict[str, int]] = {}
    for _, destination_id, column, images in entries:
        account = sums.setdefault(destination_id, {})
        account[column] = account.get(column, 0) + (images or 0)
    rows = Destination.objects.order_by("name").values_list("pk", "name", "retired_at")
    lines = [(line_of(name, sums.get(pk, {})), retired_at) for pk, name, retired_at in rows]
    return [line for line, retired_at in lines if retired_at is None or line.says_something]


def line_of(name: str, sums: Mapping[str, int]) -> Line:
    """`sums` by column: studies are held, and images are in quarantine."""
    received, delivered, excluded = (sums.get(column, 0) for column in (RECEIVED, DELIVERED, EXCLUDED))
    held = sums.get(HELD, 0) + sums.get(QUARANTINED, 0)
    others = (sums.get(column, 0) for column in (IN_FLIGHT, COMMITTED, EXPIRED))
    return Line(name, received, delivered, excluded, held, *others)


# --- what stands in the books, one query for each way to be counted -------------------------------


def entries(rows: Rows, by: By = WHOLE) -> _Rows:
    """(key, destination, column, images), as one statement."""
    first, *others = (
        *_received(rows, by),
        *_by_delivery(rows.sent, by.sent),
        *_by_revision(rows.bound, by.bound),
        *_by_held(rows.held, by.held),
    )
    return first.union(*others, all=True)


def _received(rows: Rows, by: By) -> Iterator[_Rows]:
    yield _say(_Bound.objects.filter(rows.bound), by.bound, RECEIVED, Count("revision__instances"))
    counted = _HeldFor.objects.filter(rows.held).exclude(
        helditem__state__in=[held_life.RELEASED, held_life.DUPLICATE]
    )
    yield _say(counted, by.held, RECEIVED, Count("helditem"))


def _by_delivery(sent: Q, key: Any) -> Iterator[_Rows]:
    rows = Delivery.objects.filter(sent)
    there = _there()
    unsent = Sum(F("total") - there)
    open_states = [lifecycle.WAITING, lifecycle.CLAIMED, lifecycle.REFUSED]
    yield _say(rows, key, DELIVERED, Sum(there))
    yield _say(rows, key, COMMITTED, Sum("committed"))
    yield _say(rows.filter(state=lifecycle.DROPPED), key, EXCLUDED, unsent)
    yield _say(rows.filter(state__in=open_states), key, IN_FLIGHT, unsent)


def _there() -> Case:
    """What a destination acknowledged; where it is asked to commit, until all is delivered, what it committed to. Asked
    by its number, as joined rows would be walked through in its order."""
    commits = Destination.objects.filter(pk=OuterRef("destination_id"), commitment=True)
    awaited = ~Q(state=lifecycle.DELIVERED) & Exists(commits)
    return Case(When(awaited, then=F("committed")), default=F("acknowledged"))


def _by_revision(bound: Q, key: Any) -> Iterator[_Rows]:
    """What expired; and revisions that have no delivery for the destination: not sent yet, or never."""
    gone = _Bound.objects.filter(bound, revision__state=study_life.EXPIRED)
    yield _say(gone, key, EXPIRED, Sum("revision__total"))
    opened = Delivery.objects.filter(revision=OuterRef("revision"), destination=OuterRef("destination"))
    rows = _Bound.objects.filter(bound).filter(~Exists(opened))
    early = Q(revision__state__in=[study_life.RECEIVING, study_life.COMPLETE])
    free = Q(revision__study__held_at=None)
    over = Q(revision__state__in=[study_life.REJECTED, study_life.EXCLUDED, study_life.EXPIRED])
    images = Sum("revision__total")
    yield _say(rows.filter(over), key, EXCLUDED, images)
    released = Q(revision__state=study_life.RELEASED)  # and held before its deliveries were opened
    stopped = Q(revision__state=study_life.REVIEW) | (early | released) & ~free
    yield _say(rows.filter(stopped), key, HELD, images)
    yield _say(rows.filter(early & free), key, IN_FLIGHT, images)


def _by_held(held: Q, key: Any) -> Iterator[_Rows]:
    rows = _HeldFor.objects.filter(held)
    yield _say(rows.filter(helditem__state=held_life.HELD), key, QUARANTINED, Count("helditem"))
    gone = [held_life.DISCARDED, held_life.EXPIRED]
    yield _say(rows.filter(helditem__state__in=gone), key, EXCLUDED, Count("helditem"))
    yield _say(rows.filter(helditem__state=held_life.EXPIRED), key, EXPIRED, Count("helditem"))


_DESTINATION = F("destination_id") + Value(0)
"""A number and no column, so that no planner walks through all rows in the order of destinations to spare a sort, where
an index on the day would lead to the few that are wanted. SQLite did."""


def _say(rows: _Rows, key: Any, column: str, images: Any) -> _Rows:
    said = (
        rows.order_by()
        .values(key=key, place=_DESTINATION)
        .annotate(column=Value(column), images=Cast(images, BigIntegerField()))
    )
    entries: _Rows = said.values_list("key", "place", "column", "images")
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

"""The queue is a table. This is the workers' side of it; what persons decide is in `decisions.py`.

Whoever wins the conditional update of `claim` owns the delivery until its lease runs out. Everything a worker
writes afterwards names the claim's token, so a worker that was presumed dead changes nothing any more.

Rows are locked in one order everywhere: destination, revision, delivery. On SQLite a transaction is the lock.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any, Final

from django.db import transaction
from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from proxy import sql
from proxy.deliveries import bitmap
from proxy.deliveries.lifecycle import CLAIMED, DELIVERED, DROPPED, LIFE, WAITING
from proxy.deliveries.limits import NO_LIMITS, Limits
from proxy.deliveries.models import Attempt, Delivery, Priority
from proxy.deliveries.outcomes import Delivered, Outcome, Refused, TryLater
from proxy.routing import backoff, breaker
from proxy.routing.backoff import Pace
from proxy.routing.breaker import pace
from proxy.routing.models import Destination
from proxy.studies.lifecycle import DELIVERED as OUT
from proxy.studies.lifecycle import LIFE as REVISION_LIFE
from proxy.studies.lifecycle import RELEASED
from proxy.studies.models import Instance, Revision

LOST = "The worker fell silent before it finished; another one goes on where it stood."


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at one delivery. `acknowledged` counts what earlier attempts had achieved. Where the destination has
    hours, they end at `closes_at`."""

    delivery_id: int
    destination_id: int
    revision_id: int
    attempt_id: int
    token: str
    number: int
    acknowledged: int
    limits: Limits = NO_LIMITS
    closes_at: datetime | None = None


# --- opening --------------------------------------------------------------------------------------


def open_for(revision: Revision, destinations: Iterable[Destination], now: datetime) -> int:
    """See that the revision has one delivery for each of these; how many are new. Twice is as once.

    One that was excluded since the caller looked gets none.
    """
    wanted = list(destinations)
    with transaction.atomic():
        # Nobody takes a series out of it while it is counted
        if _lock_revision(revision.pk).state not in (RELEASED, OUT):
            return 0
        before = Delivery.objects.filter(revision=revision).count()
        total = Instance.objects.filter(revision=revision).count()
        revision.destinations.add(*wanted)
        Delivery.objects.bulk_create(
            [
                Delivery(
                    revision=revision,
                    destination=one,
                    priority=Priority[revision.route.priority.upper()],
                    total=total,
                    next_try_at=now,
                    created_at=now,
                )
                for one in wanted
            ],
            ignore_conflicts=True,
        )
        opened = Delivery.objects.filter(revision=revision).count() - before
        if opened:
            REVISION_LIFE.move(Revision.objects.filter(pk=revision.pk), "resend")
    return opened


# --- claiming -------------------------------------------------------------------------------------


def claim(now: datetime, token: str) -> Claim | None:
    """Take the delivery whose turn it is at a destination that has room, if there is one."""
    if not _ANY_DUE.any(now):  # as it is once a second for each worker
        return None
    measure = pace()
    for destination_id in _open_destinations(now, measure):
        won = _claim_at(destination_id, now, token, measure)
        if won is not None:
            return won
    return None


def is_due(now: datetime) -> bool:
    """There is something to claim."""
    return bool(_open_destinations(now, pace()))


def _due(now: datetime) -> "QuerySet[Delivery]":
    """A study that was held after its release stays where it is until a person sets it free."""
    return Delivery.objects.filter(state=WAITING, next_try_at__lte=now, revision__study__held_at=None)


def ahead_of(delivery: Delivery) -> int:
    """How many of the same destination have their turn before this one."""
    turn = (delivery.priority, delivery.next_try_at, delivery.pk)
    same = Delivery.objects.filter(destination=delivery.destination_id, state=WAITING)
    sooner = Q(priority=turn[0], next_try_at__lt=turn[1]) | Q(
        priority=turn[0], next_try_at=turn[1], pk__lt=turn[2]
    )
    return same.filter(Q(priority__lt=turn[0]) | sooner, revision__study__held_at=None).count()


def _usable(now: datetime) -> "QuerySet[Destination]":
    return breaker.usable(now).exclude(spent_until__gt=now)


def _open_destinations(now: datetime, measure: Pace) -> list[int]:
    """Destinations that may be sent to, have something due and room for it: the most urgent first, then the one
    whose turn is overdue for longest."""
    running = _running()
    rows = _turns(now)
    turns = sorted(turn for row in rows if (turn := _turn_of(row)) is not None)
    known = {row.pk: row for row in rows}
    return [
        pk
        for _, _, pk in turns
        if running.get(pk, 0) < backoff.room(known[pk].failures, known[pk].at_once, measure)
        and breaker.hours_of(known[pk], now).is_open
    ]


def _turns(now: datetime) -> "QuerySet[Any]":
    """Destinations that may be sent to, and since when something of each priority is due there, if it is."""
    due = _due(now).filter(destination=OuterRef("pk")).values("next_try_at")
    return _usable(now).annotate(**{f"since_{one}": Subquery(_in_turn(due, one)[:1]) for one in Priority})


def _with_a_turn(now: datetime) -> "QuerySet[Any]":
    some = [Q(**{f"since_{one}__isnull": False}) for one in Priority]
    return _turns(now).filter(reduce(or_, some))


_ANY_DUE: Final = sql.Standing(_with_a_turn)


def _turn_of(row: Destination) -> tuple[int, datetime, int] | None:
    """Priority and time of what is due there first; nothing, if nothing is."""
    times = ((one, getattr(row, f"since_{one}")) for one in Priority)
    return next(((one.value, since, row.pk) for one, since in times if since is not None), None)


def _in_turn(due: "QuerySet[Any]", priority: Priority) -> "QuerySet[Any]":
    """Of one priority at a time: so the index leads to what is due, past all that waits for another try."""
    return due.filter(priority=priority).order_by("next_try_at", "pk")


def _running() -> Counter[int]:
    """By destination. Counted here, and asked for by what every claim has: to group them, or to find them by their
    state alone, SQLite would walk through every delivery that there ever was."""
    claimed = Delivery.objects.filter(state=CLAIMED, lease_until__isnull=False)
    return Counter(claimed.values_list("destination", flat=True))


def _claim_at(destination_id: int, now: datetime, token: str, measure: Pace) -> Claim | None:
    """Its lock makes counting and claiming one step; a destination that another one locks is passed over."""
    with transaction.atomic():
        locked = _usable(now).select_for_update(skip_locked=True, no_key=True, of=("self",))
        destination = locked.filter(pk=destination_id).first()
        if destination is None or not breaker.hours_of(destination, now).is_open:
            return None
        running = Delivery.objects.filter(destination=destination, state=CLAIMED).count()
        if running >= backoff.room(destination.failures, destination.at_once, measure):
            return None
        due = _due(now).filter(destination=destination)
        for priority in Priority:
            delivery = _in_turn(due, priority).first()
            if delivery is not None:
                return _take(delivery, destination, now, token, measure)
        return None


def _take(
    delivery: Delivery, destination: Destination, now: datetime, token: str, measure: Pace
) -> Claim | None:
    """The condition stands on the row itself: on PostgreSQL one behind a join would not be looked at again."""
    rows = Delivery.objects.filter(pk=delivery.pk, next_try_at__lte=now)
    if not LIFE.move(rows, "claim", token=token, lease_until=now + measure.lease, attempts=F("attempts") + 1):
        return None
    attempt = Attempt.objects.create(delivery=delivery, started_at=now)
    return Claim(
        delivery_id=delivery.pk,
        destination_id=delivery.destination_id,
        revision_id=delivery.revision_id,
        attempt_id=attempt.pk,
        token=token,
        number=delivery.attempts + 1,
        acknowledged=delivery.acknowledged,
        limits=Limits(destination.images_per_minute, destination.megabytes_per_minute),
        closes_at=breaker.hours_of(destination, now).until,
    )


def spend(claim: Claim, cost: timedelta, now: datetime) -> None:
    """Note what is about to be sent against the destination's limits."""
    with transaction.atomic():
        rows = Destination.objects.filter(pk=claim.destination_id)
        before = rows.select_for_update(no_key=True).values_list("spent_until", flat=True).get()
        rows.update(spent_until=max(before or now, now) + cost)


# --- while it runs --------------------------------------------------------------------------------


def _ours(claim: Claim) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(pk=claim.delivery_id, token=claim.token, state=CLAIMED)


def renew(claim: Claim, now: datetime) -> bool:
    """Hold on to it for another lease. False: it is no longer ours to send, or its study is held by now."""
    kept = _ours(claim).update(lease_until=now + pace().lease)
    held = Revision.objects.filter(pk=claim.revision_id).exclude(study__held_at=None)
    return bool(kept) and not held.exists()


def progress(claim: Claim, ordinals: Iterable[int]) -> bool:
    """Remember what was acknowledged, for good. False: the claim is lost and nothing was written."""
    with transaction.atomic():
        delivery = _ours(claim).select_for_update(no_key=True).first()
        if delivery is None:
            return False
        acks = bitmap.mark(bytes(delivery.acks), ordinals, delivery.total)
        return bool(_ours(claim).update(acks=acks, acknowledged=bitmap.count(acks)))


# --- finishing ------------------------------------------------------------------------------------


def finish(claim: Claim, outcome: Outcome, now: datetime, chance: float = 0.0) -> bool:
    """Let go of the delivery with its outcome. False: the claim was lost, and its new owner decides."""
    with transaction.atomic():
        destination = Destination.objects.select_for_update(no_key=True).get(pk=claim.destination_id)
        _lock_revision(claim.revision_id)
        delivery = _ours(claim).select_for_update(no_key=True).first()
        if delivery is None:
            return False
        verdict = _checked(outcome, delivery, destination.commitment)
        gained = delivery.acknowledged - claim.acknowledged
        _note_health(destination, verdict, gained, now, chance)
        _let_go(claim, verdict, gained, now, chance)
        _end_attempt(claim.attempt_id, verdict, gained, now)
        if isinstance(verdict, Delivered):
            close_revision(delivery.revision_id, now)
    return True


def _checked(outcome: Outcome, delivery: Delivery, commitment: bool) -> Outcome:
    """Nothing is delivered before every instance was acknowledged (promise 3), whatever an agent believes; and
    committed, where the destination commits."""
    open_ones = delivery.total - delivery.acknowledged
    if isinstance(outcome, Delivered) and open_ones:
        return TryLater(f"{open_ones} of {delivery.total} images have no acknowledgement yet.", rests=False)
    if isinstance(outcome, Delivered) and commitment and delivery.committed < delivery.total:
        return TryLater("The destination has not committed to keep every image yet.", rests=False)
    return outcome


def _let_go(claim: Claim, outcome: Outcome, gained: int, now: datetime, chance: float) -> int:
    free: dict[str, object] = {"token": "", "lease_until": None}
    match outcome:
        case Delivered(receipt):
            return LIFE.move(
                _ours(claim), "delivered", **free, finished_at=now, reason="", receipt=receipt or F("receipt")
            )
        case Refused(reason):
            return LIFE.move(_ours(claim), "refused", **free, finished_at=now, reason=reason)
        case TryLater(reason, after):
            tries = 1 if gained else claim.number
            wait = backoff.pause(tries, pace(), chance) if after is None else after
            again = {"next_try_at": now + wait} if wait else _as_before(outcome)
            return LIFE.move(_ours(claim), "later", **free, **again, reason=reason)


def _as_before(outcome: TryLater) -> dict[str, object]:
    """What goes on at once keeps its turn; if nothing went wrong, this was no attempt that failed."""
    return {} if outcome.rests else {"attempts": F("attempts") - 1}


def _note_health(
    destination: Destination, outcome: Outcome, gained: int, now: datetime, chance: float
) -> None:
    """Failed attempts in a row lead to a rest; whatever gets through or is properly refused ends the row."""
    if not isinstance(outcome, TryLater) or gained > 0:
        breaker.got_through(destination, now)
    if isinstance(outcome, TryLater) and outcome.rests:
        if gained <= 0:
            breaker.failed(destination, outcome.reason, now, chance, outcome.after)
        elif outcome.after:
            breaker.asked_for_rest(destination, outcome.reason, now + outcome.after)


def drain(*, destination_id: int, now: datetime, proven: bool, **_: object) -> None:
    """It is back: what waited because of it need not wait any longer. As long as nothing got through, what failed
    before stands behind what is due anyway, so that one study that brings it down keeps no other waiting."""
    mine = Delivery.objects.filter(destination_id=destination_id, state=WAITING)
    if proven or not mine.filter(next_try_at__lte=now).exists():
        mine.filter(next_try_at__gt=now).update(next_try_at=now)


def _end_attempt(attempt_id: int, outcome: Outcome, gained: int, now: datetime) -> None:
    names = {Delivered: "delivered", TryLater: "later", Refused: "refused"}
    reason = "" if isinstance(outcome, Delivered) else outcome.reason
    Attempt.objects.filter(pk=attempt_id).update(
        ended_at=now, outcome=names[type(outcome)], reason=reason, acknowledged=max(gained, 0)
    )


def _lock_revision(revision_id: int) -> Revision:
    return Revision.objects.select_for_update(no_key=True).get(pk=revision_id)


def close_revision(revision_id: int, now: datetime) -> bool:
    """A revision is delivered when each destination has it or was given up by a person, and one has it;
    its retention begins.

    If all were given up, nobody has the images but us: the revision stays, and nothing of it expires.
    """
    with transaction.atomic():
        revision = _lock_revision(revision_id)
        states = dict(Delivery.objects.filter(revision=revision).values_list("destination_id", "state"))
        bound = revision.destinations.values_list("pk", flat=True)
        over = all(states.get(pk) in (DELIVERED, DROPPED) for pk in {*bound, *states})
        if not over or DELIVERED not in states.values():
            return False
        mine = Revision.objects.filter(pk=revision_id)
        return bool(REVISION_LIFE.move(mine, "delivered", ended_at=now, look_at=now))


# --- rescuing -------------------------------------------------------------------------------------


def rescue(now: datetime, chance: float = 0.0) -> int:
    """Claims whose lease ran out wait again; how many. The progress they had made stays."""
    if not _ANY_LATE.any(now):
        return 0
    return sum(_rescue_one(row, now, chance) for row in list(_late(now)[:100]))


def _late(now: datetime) -> "QuerySet[Delivery]":
    return Delivery.objects.filter(state=CLAIMED, lease_until__lte=now)


_ANY_LATE: Final = sql.Standing(_late)


def _rescue_one(delivery: Delivery, now: datetime, chance: float) -> int:
    rows = Delivery.objects.filter(pk=delivery.pk, token=delivery.token, lease_until__lte=now)
    again_at = now + backoff.pause(delivery.attempts, pace(), chance)
    with transaction.atomic():
        moved = LIFE.move(rows, "rescue", token="", lease_until=None, next_try_at=again_at, reason=LOST)
        if moved:
            Attempt.objects.filter(delivery=delivery, ended_at=None).update(
                ended_at=now, outcome="lost", reason=LOST
            )
    return moved

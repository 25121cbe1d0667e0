"""Storage commitment by a destination: what it acknowledged counts as delivered once it commits to keep it.

After the images have gone out, the destination is asked (N-ACTION) about all that it has not committed to yet. It
answers at once, or much later by calling our listener, which is another process: so every request is a row before it
is sent, and whoever hears the result writes it there. An image that the destination does not answer for counts as not
sent, and is sent again; if that goes wrong REFUSALS times in a row without any progress, a person has to look.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from pydicom.uid import generate_uid

from proxy.backend.remembered import anonymizes
from proxy.deliveries import bitmap
from proxy.deliveries.lifecycle import CLAIMED, REFUSED, WAITING
from proxy.deliveries.models import CommitmentRequest, Delivery
from proxy.deliveries.originals import NO_ORIGINALS, Originals, OurNames, as_they_are
from proxy.deliveries.outcomes import Delivered, Outcome, Refused, TryLater
from proxy.deliveries.queue import Claim
from proxy.network.asking import INVALID_ARGUMENT, SUCCESS, Asked, Reference, Report
from proxy.network.peer import Lost, Peer
from proxy.network.requesting import Answer, request
from proxy.network.scu import Unmade
from proxy.studies.models import Instance

LISTEN = 5.0  # seconds on the association on which it was asked
AGAIN, LONGEST = timedelta(minutes=10), timedelta(days=1)
REFUSALS = 3
PAGE = 500
AWAITED = "Everything is there; the destination has not said yet that it keeps it."

SENTENCES = {
    0x0110: "it failed while it looked",
    0x0112: "it does not have them",
    0x0119: "it has them under another SOP Class",
    0x0122: "it commits to no images of this SOP Class",
    0x0131: "it thinks that it was asked this before",
    0x0213: "it is short of resources",
}
"""Failure reasons (PS3.3 C.14.1.1)."""


def seek(
    claim: Claim, peer: Peer, keep_going: Callable[[], bool], originals: Originals = NO_ORIGINALS
) -> Outcome:
    """The outcome of a delivery whose images are all acknowledged."""
    now = timezone.now()
    delivery = Delivery.objects.get(pk=claim.delivery_id)
    requests = list(delivery.commitment_requests.order_by("-asked_at", "-pk"))
    if (early := too_early(requests, now)) is not None:
        return early
    wanted = _open(delivery)
    if not wanted:
        return Delivered()
    if (refused := given_up(requests)) is not None:
        return refused
    try:
        named = wanted if anonymizes() else _as_sent(delivery, wanted, originals)
    except Unmade as why:
        return TryLater(str(why), rests=False) if why.later else Refused(str(why))
    hear = Results(originals.our_names).heard
    return _ask(delivery, named, peer, pause_after(requests), keep_going, hear)


def _as_sent(delivery: Delivery, wanted: dict[int, Reference], originals: Originals) -> dict[int, Reference]:
    """By the UIDs under which the destination has them. Raises Unmade."""
    destination, study = delivery.destination, delivery.revision.study
    uids = [one.sop_instance for one in wanted.values()]
    names = originals.naming(destination.node_id or 0, study.project_id, study.patient, uids)
    return {ordinal: Reference(one.sop_class, names[one.sop_instance]) for ordinal, one in wanted.items()}


def too_early(requests: list[CommitmentRequest], now: datetime) -> TryLater | None:
    """A result that is still to be expected is waited for; newest first."""
    waiting = [one for one in requests[:1] if one.heard_at is None and now < one.until]
    return TryLater(AWAITED, after=waiting[0].until - now, rests=False) if waiting else None


def given_up(requests: list[CommitmentRequest]) -> Refused | None:
    last = [one for one in requests if one.heard_at is not None][:REFUSALS]
    if len(last) < REFUSALS or any(one.committed or not one.failed for one in last):
        return None
    return Refused(
        f"{REFUSALS} times it was sent, and not committed. {last[0].reason} Look there, then retry."
    )


def pause_after(requests: list[CommitmentRequest]) -> timedelta:
    """How long a result is waited for before it is asked again: longer after each that never came."""
    doublings: int = min(sum(one.heard_at is None for one in requests), 10)
    return min(AGAIN * (1 << doublings), LONGEST)


def _ask(
    delivery: Delivery,
    wanted: dict[int, Reference],
    peer: Peer,
    pause: timedelta,
    keep_going: Callable[[], bool],
    hear: Callable[[int, Report], int],
) -> Outcome:
    asking = _kept(delivery, wanted, pause)
    node_id = delivery.destination.node_id or 0  # a DICOM destination has a node
    asked = Asked(asking.transaction, tuple(wanted.values()))

    def waiting() -> bool:
        return keep_going() and CommitmentRequest.objects.filter(pk=asking.pk, heard_at=None).exists()

    try:
        answer = request(peer, asked, lambda report: hear(node_id, report), waiting, LISTEN)
    except Lost as lost:
        answer = Answer(False, why=str(lost))
    asking.refresh_from_db()
    if asking.heard_at is not None:
        return _judged(asking, len(wanted))
    if answer.taken:
        return TryLater(AWAITED, after=pause, rests=False)
    asking.delete()  # nothing will come of it
    return TryLater(answer.why) if answer.offered else Refused(answer.why)


def _judged(asking: CommitmentRequest, wanted: int) -> Outcome:
    if asking.committed == wanted:
        return Delivered()
    return TryLater(asking.reason or "The destination committed to a part of the images.", rests=False)


def _kept(delivery: Delivery, wanted: Iterable[int], pause: timedelta) -> CommitmentRequest:
    now = timezone.now()
    return CommitmentRequest.objects.create(
        delivery=delivery,
        transaction=str(generate_uid(prefix=None)),
        asked=bitmap.mark(b"", wanted, delivery.total),
        asked_at=now,
        until=now + pause,
    )


def _open(delivery: Delivery) -> dict[int, Reference]:
    """By ordinal, what it has not committed to yet."""
    commits = bytes(delivery.commits)
    rows = Instance.objects.filter(revision_id=delivery.revision_id).order_by("ordinal")
    return {
        ordinal: Reference(sop_class, uid)
        for ordinal, sop_class, uid in rows.values_list("ordinal", "sop_class", "uid").iterator()
        if not bitmap.has(commits, ordinal)
    }


class Results:
    """Where results are written, whichever process hears them."""

    def __init__(self, our_names: OurNames = as_they_are) -> None:
        self._our_names = our_names

    def heard(self, node_id: int, report: Report) -> int:
        """The status of the N-EVENT-REPORT-RSP. A transaction of somebody else is as unknown as any other."""
        known = CommitmentRequest.objects.filter(
            transaction=report.transaction, delivery__destination__node_id=node_id
        )
        asking = known.first()
        if asking is None:
            return INVALID_ARGUMENT
        with transaction.atomic():
            delivery = Delivery.objects.select_for_update(no_key=True).get(pk=asking.delivery_id)
            asking = CommitmentRequest.objects.select_for_update(no_key=True).filter(pk=asking.pk).first()
            if asking is None:
                return INVALID_ARGUMENT
            if asking.heard_at is None:
                named = as_they_are if anonymizes() else self._our_names
                _note(delivery, asking, report, named)
        return SUCCESS


def _note(delivery: Delivery, asking: CommitmentRequest, report: Report, named: OurNames) -> None:
    """What was committed stays so; what was refused was not delivered. The delivery goes on at once."""
    now = timezone.now()
    asked = frozenset(bitmap.ordinals(bytes(asking.asked)))
    failed = asked & set(_ordinals(delivery, [one for one, _ in report.failed], named))
    good = asked & set(_ordinals(delivery, report.committed, named)) - failed
    CommitmentRequest.objects.filter(pk=asking.pk).update(
        heard_at=now, committed=len(good), failed=len(failed), reason=_reason(len(failed), report)
    )
    commits = bitmap.mark(bytes(delivery.commits), good, delivery.total)
    acks = bytes(delivery.acks)
    if delivery.state in (WAITING, CLAIMED, REFUSED):
        acks = bitmap.cleared(acks, failed - set(bitmap.ordinals(commits)))
    mine = Delivery.objects.filter(pk=delivery.pk)
    mine.update(commits=commits, committed=bitmap.count(commits), acks=acks, acknowledged=bitmap.count(acks))
    mine.filter(state=WAITING, next_try_at__gt=now).update(next_try_at=now)


def _ordinals(delivery: Delivery, references: Iterable[Reference], named: OurNames) -> Iterator[int]:
    said = [one.sop_instance for one in references]
    wanted = list(named(delivery.revision.study.project_id, said))
    rows = Instance.objects.filter(revision_id=delivery.revision_id)
    for at in range(0, len(wanted), PAGE):
        yield from rows.filter(uid__in=wanted[at : at + PAGE]).values_list("ordinal", flat=True)


def _reason(failed: int, report: Report) -> str:
    if not failed:
        return ""
    [(code, _)] = Counter(code for _, code in report.failed).most_common(1)
    why = SENTENCES.get(code, "for a reason of its own")
    return f"The destination does not commit to {failed} images: {why} (0x{code:04X})."

"""Does everything move, do the books balance, is the audit whole?"""

from collections.abc import Iterator
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from proxy.audit import anchors, guard, rights, sending
from proxy.audit.acting import console_user
from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.books.balance import balance
from proxy.books.models import Day
from proxy.deliveries import bitmap
from proxy.deliveries.ledger import Line, recount
from proxy.deliveries.lifecycle import CLAIMED, REFUSED, WAITING
from proxy.deliveries.models import Delivery
from proxy.management.doctor.findings import Finding, count, fail, ok, warn
from proxy.retrieval.home.lifecycle import REFUSED as HOME_REFUSED
from proxy.retrieval.home.lifecycle import WAITING as HOME_WAITING
from proxy.retrieval.models import Homecoming, Pull
from proxy.retrieval.pulls import book
from proxy.routing import breaker
from proxy.routing.audited import tell
from proxy.studies import completeness
from proxy.studies.lifecycle import DELIVERED, RECEIVING, REVIEW
from proxy.studies.models import Revision, Study

LONG = timedelta(minutes=5)
SOME_TIME = timedelta(days=1)


def examine_ledger() -> Iterator[Finding]:
    lines = balance(anew=True)
    off = [line for line in lines if line.difference]
    for line in off:
        yield fail(
            "ledger", f"{line.destination} is off by {line.difference}; compare with `ledger` and `why`."
        )
    if not off:
        yield ok("ledger", f"the books balance at {count(len(lines), 'destination')}.")
        yield from _closed_days(lines)


def _closed_days(lines: list[Line]) -> Iterator[Finding]:
    """Added up, they must come to what was counted; what moved while we counted makes no difference twice."""
    if balance() != lines and balance() != balance(anew=True):
        yield warn("ledger", "closed days do not say what their rows say: --repair opens them.", _open_days)


def _open_days() -> str:
    days = Day.objects.exclude(closed_at=None).update(closed_at=None)
    return f"Opened {count(days, 'closed day')}; `work` counts and closes them again."


def examine_counters() -> Iterator[Finding]:
    """Counters may be recounted from their bitmaps; a total that the index contradicts is for a person."""
    drifts = list(recount())
    counted = [drift for drift in drifts if drift.what != "total"]
    counters = sorted({drift.delivery_id for drift in counted})
    if counters:
        said = f"{count(len(counters), 'delivery')} with another count of acknowledgements or commitments than held."
        yield fail("deliveries", said, lambda: _recount(counters))
    if len(drifts) > len(counted):
        wrong = count(len(drifts) - len(counted), "delivery")
        yield fail("deliveries", f"{wrong} of another size than their revision; restore the database.")
    if not drifts:
        yield ok("deliveries", "every counter says what its bitmap says.")


def _recount(ids: list[int]) -> str:
    """One by one, and only while nobody sends them."""
    mended = 0
    for delivery in Delivery.objects.filter(pk__in=ids).exclude(state=CLAIMED):
        same = Delivery.objects.filter(pk=delivery.pk, acks=delivery.acks, commits=delivery.commits)
        acknowledged, committed = (bitmap.count(bytes(one)) for one in (delivery.acks, delivery.commits))
        mended += same.exclude(state=CLAIMED).update(acknowledged=acknowledged, committed=committed)
    return f"Recounted {count(mended, 'delivery')}."


def examine_pulls() -> Iterator[Finding]:
    """Pulls and dispatches that somebody began and nobody goes on with."""
    old = Pull.objects.filter(state__in=book.OPEN, asked_at__lt=timezone.now() - SOME_TIME)
    for pull in old.select_related("node").order_by("pk"):
        totals = book.totals_of(pull)
        left = count(totals.short + totals.waiting, "study")
        said = f"pull {pull.pk} from {pull.node.name} is not finished, {left} left; give the same call again"
        yield warn("pulls", f"{said}, or drop it in the admin.")
    if not old.exists():
        yield ok("pulls", "nothing that was begun waits to be gone on with.")


def examine_movement() -> Iterator[Finding]:
    """Work that is long due and that nobody does."""
    now = timezone.now()
    late = now - LONG
    unasked = ~completeness.is_being_asked(late)
    quiet = Revision.objects.filter(unasked, state=RECEIVING, quiet_at__lt=late).count()
    claims = Delivery.objects.filter(state=CLAIMED, lease_until__lt=late).count()
    late_home = Q(state=HOME_WAITING, next_try_at__lt=late) | Q(lease_until__lt=late)
    open_ones = [one.pk for one in breaker.usable(now) if breaker.hours_of(one, now).is_open]
    homecomings = Homecoming.objects.filter(late_home, destination__in=open_ones).count()
    kept = Revision.objects.filter(state=DELIVERED, look_at__lt=now - SOME_TIME).count()
    if quiet or claims or homecomings or kept:
        parts = (
            f"{count(quiet, 'study')} to settle, {count(claims, 'delivery')} to take up again,"
            f" {count(kept, 'revision')} to look at for retention, {count(homecomings, 'result')} to bring home"
        )
        yield fail("work", f"{parts}, and nobody does it: start `manage.py work`.")
    else:
        yield ok("work", "nothing that is due has been left lying.")
    yield from _for_persons()


def _for_persons() -> Iterator[Finding]:
    refused = Delivery.objects.filter(state=REFUSED).count()
    review = Revision.objects.filter(state=REVIEW).count()
    held = Study.objects.exclude(held_at=None).count()
    gone = Q(destination__retired_at__isnull=False) | Q(destination__node__retired_at__isnull=False)
    waiting_ones = Delivery.objects.filter(state=WAITING)
    resting = waiting_ones.filter(attempts__gt=0).exclude(gone).count()
    home = Homecoming.objects.filter(state=HOME_REFUSED).count()
    waiting = {
        "refused delivery": refused,
        "refused result": home,
        "reviewable study": review,
        "held study": held,
    }
    said = [count(number, thing) for thing, number in waiting.items() if number]
    if said:
        yield warn("work", f"waiting for a person: {', '.join(said)}; see the admin.")
    if retired := waiting_ones.filter(gone).count():
        what = "to a retired destination: name it in the site file again, or drop them in the admin."
        yield warn("work", f"{count(retired, 'delivery')} {what}")
    if resting:
        yield warn("work", f"{count(resting, 'delivery')} to be tried again after a failure, by itself.")


def examine_audit() -> Iterator[Finding]:
    if not Entry.objects.exists() and not anchors.file().exists():
        return
    report = verify(anchors.file())
    yield ok("audit", report.sentence()) if report.ok else fail("audit", report.sentence())
    yield from _guards()
    yield from _forwarding()


def _forwarding() -> Iterator[Finding]:
    """Does the syslog server get what it should?"""
    if sending.server() is None:
        return
    waiting, reason = sending.standing()
    if reason:
        yield warn("audit", f"{count(waiting, 'entry')} wait for the syslog server: {reason}")
    else:
        yield ok("audit", f"the syslog server has all entries but {waiting}.")


def _guards() -> Iterator[Finding]:
    """Who could change entries, besides the chain that would show it."""
    if guard.missing(connection):
        said = "the triggers that keep entries as they are were taken away."
        yield fail("audit", f"{said} Verify the audit, then put them back (--repair).", _put_back_guards)
    elif connection.vendor == "sqlite":
        yield ok("audit", "triggers keep entries as they are.")
    else:
        yield _role()


def _put_back_guards() -> str:
    with transaction.atomic():
        guard.install(connection)
        tell(console_user(), ["the triggers that were missing are back"], "audit")
    return "The triggers of the audit are back."


def _role() -> Finding:
    mine = rights.standing()
    if mine.is_apart:
        return ok("audit", f"the database user {mine.user} can append entries and change none.")
    advice = "give the processes a user of their own: manage.py audit_rights (docs/audit.md)."
    return warn("audit", f"the database user {mine.user} could take the triggers of the audit away; {advice}")

"""Studies that do not move, and studies that wait for a person."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Count, F, Q, Sum

from proxy.alerts.findings import HOUR, MINUTE, Finding, Rule, counted
from proxy.deliveries.lifecycle import CLAIMED, WAITING
from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination
from proxy.studies import completeness
from proxy.studies.lifecycle import COMPLETE, RECEIVING, RELEASED, REVIEW
from proxy.studies.models import Revision, Study

LATE: Final = timedelta(minutes=10)
DAY: Final = timedelta(days=1)
MANY_TRIES: Final = 10
"""With growing pauses that is more than an hour of failures at a destination that works for others."""


def stuck(now: datetime) -> Iterator[Finding]:
    yield from _unsettled(now)
    yield from _undelivered(now)


def _unsettled(now: datetime) -> Iterator[Finding]:
    """Nobody has closed them, or released them, or opened their deliveries: one question for each of the states, as
    each has an index of its own."""
    late = Revision.objects.filter(quiet_at__lt=now - LATE, study__held_at=None).order_by()
    bound = late.filter(state=RELEASED, deliveries=None, destinations__isnull=False).values_list(
        "pk", flat=True
    )
    arriving = late.filter(~completeness.is_being_asked(now - LATE), state=RECEIVING).count()
    many = arriving + late.filter(state=COMPLETE).count() + len(set(bound))
    if many:
        said = f"{counted(many, 'study')} went quiet more than ten minutes ago, and nothing has come of it."
        yield Finding("settling", said, many)


def _undelivered(now: datetime) -> Iterator[Finding]:
    """At destinations that neither rest nor are paused: for those there is an alert of its own. Where somebody sends,
    or hours and limits say that it takes its time, a delivery may have its turn late."""
    usable = list(Destination.objects.filter(retired_at=None, paused_at=None, rests_until=None))
    long_ago = now - timedelta(hours=settings.ALERT_STUCK_HOURS)
    sending = set(
        Delivery.objects.filter(state=CLAIMED, lease_until__gte=now).values_list("destination", flat=True)
    )
    swift = [one for one in usable if not (one.windows or one.spent_until or one.pk in sending)]
    rows = Delivery.objects.filter(destination__in=usable, state=WAITING).order_by()
    left = Q(next_try_at__lt=long_ago, destination__in=swift)
    late = rows.filter(Q(attempts__gte=MANY_TRIES) | left, revision__study__held_at=None)
    for name, many in late.values_list("destination__name").annotate(studies=Count("pk")):
        said = f"{counted(many, 'delivery')} to it failed again and again, or nobody takes them up."
        yield Finding(name, said, many)


def waiting(now: datetime) -> Iterator[Finding]:
    long_ago = now - timedelta(hours=settings.ALERT_STUCK_HOURS)
    review = Revision.objects.filter(state=REVIEW, quiet_at__lt=long_ago).count()
    held = Study.objects.filter(held_at__isnull=False, held_at__lt=long_ago).count()
    for subject, many, what in (("review", review, "to be reviewed"), ("held", held, "that are held")):
        if many:
            said = f"{counted(many, 'study')} {what} for more than {settings.ALERT_STUCK_HOURS} hours."
            yield Finding(subject, said, many)


def incomplete(now: datetime) -> Iterator[Finding]:
    rows = completeness.incomplete(now - DAY).order_by("node__name").values_list("node__name")
    lacking = Sum(F("said") - F("here") - F("not_taken"))
    for name, many, images in rows.annotate(studies=Count("pk"), images=lacking):
        said = f"{counted(many, 'study')} went on within a day although it has {counted(images, 'image')} more of them."
        yield Finding(name, said, many)


RULES: Final = (
    Rule(
        "study-stuck",
        "studies do not move",
        "`why STUDY` says where a study is and what to do; `ledger --by study` lists those of the last days. See that"
        " `work` runs, and what its log says.",
        stuck,
        every=5 * MINUTE,
        patience=10 * MINUTE,
        calm=4 * HOUR,
    ),
    Rule(
        "study-incomplete",
        "studies left without images that their PACS has",
        "See why they did not come: the sender's log, what was refused here, `pull`, which fetches them. What comes"
        " late goes on by itself.",
        incomplete,
        every=5 * MINUTE,
        calm=4 * HOUR,
    ),
    Rule(
        "study-waits",
        "studies wait for a person",
        "Approve or reject them on the admin's page Revisions (state review), or set held studies free on the page"
        " Studies.",
        waiting,
        every=10 * MINUTE,
        calm=24 * HOUR,
    ),
)

"""A clock that was ahead for a while and was put right leaves times behind that will not come for years.

What waits for seconds would wait for them, in silence. No waiting of ours is longer than a day, or than the longest
pause of the settings; what stands beyond that was written by a wrong clock, and is due now. A lease is cut to a lease:
whoever holds it renews it, and of who died it runs out.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import QuerySet

from proxy.alerts.models import Notice
from proxy.backend.models import Dispatch, Outgoing
from proxy.deliveries.models import CommitmentRequest, Delivery
from proxy.retrieval.models import Commitment, Homecoming
from proxy.routing.models import Destination
from proxy.studies.models import PacsCount, Revision

LOOK_EVERY: Final = 60.0  # seconds
SLACK: Final = timedelta(hours=1)
LONGEST: Final = timedelta(days=1)  # that anybody may ask for by Retry-After, and of our own pauses
LONGEST_SPENT: Final = timedelta(days=30)  # an archive that goes as a whole uses up a small limit for days


def mind(now: datetime) -> int:
    """How many rows wait no longer for a time that was never meant."""
    return sum(_cut(rows, column, beyond, instead) for rows, column, beyond, instead in _bounds(now))


def _bounds(now: datetime) -> "Iterator[tuple[QuerySet[Any], str, datetime, datetime]]":
    """Rows, the column that says until when they wait, beyond what that cannot be meant, and what stands there then."""
    quiet = timedelta(seconds=settings.DICOM_STUDY_TIMEOUT)
    lease = timedelta(seconds=settings.DELIVERY_LEASE)
    pause = max(LONGEST, timedelta(seconds=settings.DELIVERY_PAUSE_MAX)) + SLACK
    for waiting in (Delivery, Homecoming, Commitment, Dispatch, Notice):
        yield waiting.objects.filter(state="waiting"), "next_try_at", now + pause, now
        leased = waiting.objects.exclude(lease_until=None)
        held = leased.filter(state="claimed") if waiting is Delivery else leased  # as its index is
        yield held, "lease_until", now + lease + SLACK, now + lease
    yield Destination.objects.all(), "rests_until", now + pause, now
    yield Destination.objects.all(), "spent_until", now + LONGEST_SPENT, now
    asked = CommitmentRequest.objects.filter(
        delivery__in=Delivery.objects.filter(state="waiting").values("pk")
    )
    yield asked, "until", now + pause, now
    yield Outgoing.objects.all(), "next_at", now + SLACK, now
    yield PacsCount.objects.filter(settled_at=None), "next_at", now + pause, now
    yield Revision.objects.filter(state="receiving"), "quiet_at", now + quiet + SLACK, now + quiet


def _cut(rows: "QuerySet[Any]", column: str, beyond: datetime, instead: datetime) -> int:
    return int(rows.filter(**{f"{column}__gt": beyond}).update(**{column: instead}))

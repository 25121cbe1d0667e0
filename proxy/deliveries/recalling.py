"""Take a series out of what is released, as long as nothing of that has gone anywhere.

A delivery counts images by their ordinals, and a worker holds those of what it sends. So a revision is only touched
while each of its deliveries waits with nothing acknowledged; then its deliveries count anew what is left.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from proxy.deliveries.lifecycle import CLAIMED, DELIVERED
from proxy.deliveries.models import Delivery
from proxy.studies import excluding
from proxy.studies.excluding import Done, Undone
from proxy.studies.lifecycle import EXCLUDED
from proxy.studies.models import Revision, Series


def exclude(series: Series, by: str, now: datetime, comment: str) -> Done | Undone:
    """A person's decision, also about what waits for its destinations."""
    return excluding.exclude(series, by, now, comment, _recall)


def _recall(revision: Revision) -> Callable[[], None] | None:
    rows = Delivery.objects.select_for_update(no_key=True).filter(revision=revision).order_by("pk")
    if any(row.acknowledged or row.state in (CLAIMED, DELIVERED) for row in rows):
        return None
    return partial(_count_anew, revision.pk)


def _count_anew(revision_id: int) -> None:
    """A revision of which nothing is left needs no deliveries; it gets new ones if its series is included again."""
    revision, rows = Revision.objects.get(pk=revision_id), Delivery.objects.filter(revision=revision_id)
    if revision.state == EXCLUDED:
        rows.delete()
    else:
        rows.update(total=revision.total)

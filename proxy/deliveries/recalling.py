"""Take a series out of what is released, and keep it from every destination that has none of it yet.

A delivery counts images by their ordinals, and a worker holds those of what it sends. So a revision is only touched
while nobody sends any of it, and while no folder has files of it that are named by these numbers. What is taken out
has deliveries of its own where something of the revision has arrived already: they say which of its images are there,
and that the rest was given up. Nothing is called back.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from proxy.deliveries import bitmap
from proxy.deliveries.lifecycle import CLAIMED, DELIVERED, DROPPED, LIFE
from proxy.deliveries.models import Delivery
from proxy.deliveries.queue import close_revision
from proxy.routing.models import Destination
from proxy.storage.templates import parse
from proxy.studies import excluding
from proxy.studies.excluding import Done, Undone
from proxy.studies.lifecycle import EXCLUDED
from proxy.studies.models import Instance, Revision, Series

GIVEN_UP: Final = "Its series was excluded."
Ordinals = Mapping[int, int]
"""By the number of an instance."""


def exclude(series: Series, by: str, now: datetime, comment: str) -> Done | Undone:
    """A person's decision, also about what waits for its destinations."""
    return excluding.exclude(series, by, now, comment, partial(_recall, now=now))


def include(series: Series, by: str, now: datetime, comment: str) -> Done | Undone:
    """Deliveries that were given up go on, and others are opened when studies settle."""
    return excluding.include(series, by, now, comment, partial(_go_on, now=now))


def _go_on(revision_id: int, now: datetime) -> None:
    rows = Delivery.objects.filter(revision=revision_id, state=DROPPED, reason=GIVEN_UP)
    LIFE.move(rows, "again", next_try_at=now, finished_at=None, attempts=0, reason="")
    close_revision(revision_id, now)  # nobody else will, if all have it


def _recall(revision: Revision, now: datetime) -> Callable[[], None] | None:
    locked = Delivery.objects.select_for_update(no_key=True, of=("self",)).filter(revision=revision)
    rows = list(locked.select_related("destination").order_by("pk"))
    if any(row.state == CLAIMED for row in rows) or (rows and all(row.state == DELIVERED for row in rows)):
        return None
    if any(row.acknowledged and _is_by_number(row.destination) for row in rows) and _is_of_many(revision):
        return None
    if not any(row.acknowledged for row in rows):
        return partial(_untouched, revision.pk)
    before = dict(Instance.objects.filter(revision=revision).values_list("pk", "ordinal"))
    return partial(_split, rows, before, revision.pk, now)


def _is_by_number(destination: Destination) -> bool:
    """Its files are: what is numbered anew would replace what it has of others."""
    names = parse(destination.template).names() if destination.template else set()
    return "n" in names and "instance_uid" not in names


def _is_of_many(revision: Revision) -> bool:
    """Series: of one alone all images keep their numbers."""
    return revision.instances.order_by().values("series").distinct().count() > 1


def _untouched(revision_id: int) -> None:
    """Nobody has any of it: it is counted anew, and its evidence is made anew. What is excluded as a whole gets new
    deliveries if it is included again."""
    revision, rows = Revision.objects.get(pk=revision_id), Delivery.objects.filter(revision=revision_id)
    if revision.state == EXCLUDED:
        rows.delete()
        Revision.objects.filter(pk=revision_id).update(released_at=None)
    else:
        rows.update(total=revision.total)
    Revision.objects.filter(pk=revision_id).update(evidence="")


def _split(rows: Sequence[Delivery], before: Ordinals, revision_id: int, now: datetime) -> None:
    """Its evidence stays as it is: it says what was released, and somebody has some of that."""
    revision = Revision.objects.get(pk=revision_id)
    if revision.state == EXCLUDED:
        mine = Delivery.objects.filter(revision=revision_id).exclude(state=DELIVERED)
        LIFE.move(mine, "drop", finished_at=now, reason=GIVEN_UP)
        return
    left = _in_order(revision_id, before)
    aside = (
        Instance.objects.filter(pk__in=before.keys())
        .exclude(revision=revision_id)
        .values_list("revision_id")[0][0]
    )
    taken = _in_order(aside, before)
    for row in rows:
        Delivery.objects.create(**_of_what_was_taken(row, aside, taken, now))
        Delivery.objects.filter(pk=row.pk).update(**_counted(row, left))
        for one in row.commitment_requests.all():
            row.commitment_requests.filter(pk=one.pk).update(asked=bitmap.picked(bytes(one.asked), left))


def _in_order(revision_id: int, before: Ordinals) -> list[int]:
    """What their ordinals were, in the order of those that they have now."""
    rows = Instance.objects.filter(revision=revision_id, pk__in=before.keys()).order_by("ordinal")
    return [before[pk] for pk in rows.values_list("pk", flat=True)]


def _counted(row: Delivery, ordinals: Sequence[int]) -> dict[str, object]:
    acks, commits = bitmap.picked(bytes(row.acks), ordinals), bitmap.picked(bytes(row.commits), ordinals)
    there = {"acks": acks, "acknowledged": bitmap.count(acks)}
    return {**there, "commits": commits, "committed": bitmap.count(commits), "total": len(ordinals)}


def _of_what_was_taken(
    row: Delivery, aside: int, ordinals: Sequence[int], now: datetime
) -> dict[str, object]:
    counted = _counted(row, ordinals)
    is_there = row.state == DELIVERED or (
        counted["acknowledged"] == len(ordinals) and not row.destination.commitment
    )
    # What a person had dropped before keeps their reason, and so stays dropped when the series is included again
    why = row.reason if row.state == DROPPED else GIVEN_UP
    ended = {"state": DELIVERED if is_there else DROPPED, "reason": "" if is_there else why}
    same = {name: getattr(row, name) for name in ("priority", "receipt", "next_try_at", "attempts")}
    place = {"revision_id": aside, "destination_id": row.destination_id}
    return {**place, **same, **counted, **ended, "created_at": now, "finished_at": now}

"""Has an image arrived everywhere it was to go?"""

from collections.abc import Iterable, Mapping
from typing import Literal

from proxy.deliveries import bitmap
from proxy.deliveries.lifecycle import DELIVERED, DROPPED
from proxy.deliveries.models import Delivery
from proxy.studies.lifecycle import EXCLUDED
from proxy.studies.models import Revision

Arrival = Literal["arrived", "on its way", "given up"]
Place = tuple[int, int]  # revision and ordinal
Row = tuple[
    str, bytes
]  # state of a delivery, and what it has brought: acknowledged, or committed where that is asked


def everywhere(places: Iterable[Place]) -> Mapping[Place, Arrival]:
    wanted = list(places)
    rows: dict[int, list[Row]] = {revision_id: [] for revision_id, _ in wanted}
    found = Delivery.objects.filter(revision_id__in=list(rows))
    columns = found.values_list("revision_id", "state", "acks", "commits", "destination__commitment")
    for revision_id, state, acks, commits, committing in columns:
        rows[revision_id].append((state, bytes(commits if committing else acks)))
    for kept in Revision.objects.filter(pk__in=list(rows), state=EXCLUDED).values_list("pk", flat=True):
        rows[kept].append((DROPPED, b""))  # its series never leaves
    return {place: judged(rows[place[0]], place[1]) for place in wanted}


def judged(deliveries: Iterable[Row], ordinal: int) -> Arrival:
    """A revision without deliveries is not released yet."""
    each = [_one(state, acks, ordinal) for state, acks in deliveries]
    if "given up" in each:
        return "given up"
    return "arrived" if each and all(one == "arrived" for one in each) else "on its way"


def _one(state: str, acks: bytes, ordinal: int) -> Arrival:
    if state == DELIVERED or bitmap.has(acks, ordinal):
        return "arrived"
    return "given up" if state == DROPPED else "on its way"

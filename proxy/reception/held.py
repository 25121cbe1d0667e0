"""What can become of a held image: a person sets it free, or a proof shows that we have it already."""

from collections.abc import Iterator
from typing import Final

from django.db.models import QuerySet

from proxy import sql
from proxy.commits import surely
from proxy.deid import DeidError
from proxy.quarantine import keeping
from proxy.quarantine.decide import is_duplicate, is_over
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.reception import pixels, storing
from proxy.reception.charging import OverQuota
from proxy.reception.image import Held, Image, Kept
from proxy.reception.storing import AlreadyDecided, Commit, Freed, Written
from proxy.reception.twins import LARGEST_COMPARED, as_sent
from proxy.routing.match import NodeFacts, RouteFacts, load_table
from proxy.storage.errors import SealBroken
from proxy.storage.files import remove
from proxy.studies import index
from proxy.studies.index import OTHER_CONTENT, RECOMPRESSED
from proxy.vault import pseudonyms, seals
from proxy.vault.models import Person

DECIDED = "Somebody else has decided about this image a moment ago."
NOT_AGAIN = {OTHER_CONTENT.code, RECOMPRESSED.code}


class CannotRelease(Exception):
    """Why a person's decision cannot be carried out, as a sentence for that person."""


class Direct:
    """Commits one job in a transaction of its own, where no committer runs."""

    def commit(self, job: Commit) -> Written:
        with surely():
            return storing.write([job])[0]


def release(item_id: int, by: str) -> str:
    """Take a held image in after all; a sentence that says what became of it."""
    item = HeldItem.objects.select_related("route", "node").get(pk=item_id)
    if item.state != HELD:
        raise CannotRelease(f"This image is not held any more: it was {item.state}.")
    if item.code in NOT_AGAIN and index.find(item.project_id, item.uid) is not None:
        raise CannotRelease(
            "The index already holds another image with this UID; discard this one, or keep it here."
        )
    if isinstance(_let_in(item, by), Held):
        raise CannotRelease("Another gate still holds this image; see its new entry.")
    if not is_over(item, by):
        raise CannotRelease(DECIDED)
    remove(keeping.folder() / item.path)
    return "The image is in the index now and goes the way of its study."


def _let_in(item: HeldItem, by: str) -> Kept | Held:
    route, node = _facts(item)
    waived = frozenset(item.code.split(","))
    image = _begun(item, route, node, waived, by)
    try:
        for chunk in _original(item):
            image.feed(memoryview(chunk))
        return image.finish()
    except AlreadyDecided:
        raise CannotRelease(DECIDED) from None
    except OverQuota as used_up:
        image.abort()
        raise CannotRelease(used_up.sentence) from None
    except BaseException:
        image.abort()
        raise


def _begun(
    item: HeldItem, route: RouteFacts, node: NodeFacts | None, waived: frozenset[str], by: str
) -> Image:
    try:
        return Image(Direct(), route, node, None, item.transfer_syntax, waived, Freed(item, by))
    except OverQuota as used_up:
        raise CannotRelease(used_up.sentence) from None


def _original(item: HeldItem) -> Iterator[bytes]:
    """Sealed under the person's key, so that forgetting the person takes this with them."""
    person = Person.objects.filter(project_id=item.project_id, pseudonym=item.patient).first()
    if person is None or person.forgotten_at is not None:
        raise CannotRelease("The person of this image was forgotten; nothing opens it any more.")
    return keeping.original(item.path, pseudonyms.known_by(person).unwrap)


def _facts(item: HeldItem) -> tuple[RouteFacts, NodeFacts | None]:
    table = load_table()
    routes = [route for route in table.routes.values() if route.id == item.route_id]
    nodes = [node for group in table.nodes.values() for node in group if node.id == item.node_id]
    if not routes:
        raise CannotRelease("The route of this image is retired; reinstate it first.")
    return routes[0], nodes[0] if nodes else None


# --- the same image in another compression --------------------------------------------------------


def compare_recompressed(limit: int = 10) -> int:
    """Decide those that only a decoder could decide; how many were."""
    if not _ANY_RECOMPRESSED.any():  # as it is four times a second
        return 0
    return sum(_decide(item) for item in _recompressed().order_by("held_at")[:limit])


def _recompressed() -> "QuerySet[HeldItem]":
    return HeldItem.objects.filter(state=HELD, code=RECOMPRESSED.code)


_ANY_RECOMPRESSED: Final = sql.Standing(lambda _: _recompressed())


def _decide(item: HeldItem) -> int:
    if _is_same(item):
        if is_duplicate(item, "comparison of pixels"):
            remove(keeping.folder() / item.path)
    else:
        undecided = HeldItem.objects.filter(pk=item.pk, state=HELD)
        undecided.update(code=OTHER_CONTENT.code, reason=OTHER_CONTENT.reason)
    return 1


def _is_same(item: HeldItem) -> bool:
    """Only a proof counts: what cannot be read or decoded stays held."""
    known = index.find(item.project_id, item.uid)
    if known is None or max(item.size, known.size) > LARGEST_COMPARED:
        return False
    try:
        ours = as_sent(known)  # what is kept may be masked
        original = b"".join(_original(item))
    except (CannotRelease, OSError, DeidError, SealBroken, seals.NoSeal, seals.Forgotten):
        return False
    return pixels.same((original, item.transfer_syntax), ours) is True

"""What the backend sends home: images of ours get their patient back while they are sent; results go as results do.

An image under a UID that we gave out is ours. It goes out restored, made of what came and of its seal, which fits no
other content. Anything else is a result: it is matched with certainty, or held for a person.
"""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from pathlib import Path

from django.conf import settings
from django.utils import timezone
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from proxy.deid import DeidError, Hold, split
from proxy.deid.homeward import Found, Match, Mentions, decide, mentions, parts_of
from proxy.network import scu
from proxy.network.scu import Unmade
from proxy.retrieval.delivering import restoring
from proxy.retrieval.home import keeping, looking
from proxy.retrieval.home.arriving import Arrival, arrive
from proxy.retrieval.home.whither import identified
from proxy.routing.match import NodeFacts, RouteFacts, load_table
from proxy.routing.models import Destination, Node, Project
from proxy.routing.peers import peer_of
from proxy.vault.models import Seal

MEGABYTE = 1 << 20
BEGINNING = MEGABYTE
UIDS = [Tag("SOPClassUID"), Tag("SOPInstanceUID")]
NO_ROUTE = "No route of its project is in force."
UNREADABLE = "It cannot be read."
TOO_LARGE = "It is larger than a result may be (DICOM_MEMORY_LIMIT)."
AMBIGUOUS = "It could belong to more than one project."


@dataclass(frozen=True, slots=True)
class Image:
    """A Part 10 file as it came, and by its own word what it is."""

    path: Path
    uid: str
    sop_class: str
    syntax: str


@dataclass(frozen=True, slots=True)
class Owner:
    project_id: int
    patient: str


@dataclass(frozen=True, slots=True)
class Told:
    """Of one image and one node, or of a result: did it arrive, may it later, and what a person should know."""

    image: Image
    verdict: scu.Verdict
    reason: str = ""


def read(path: Path) -> Image | None:
    """None: a file without the UIDs that an image has. Only its beginning is looked at, because a stranger made it: an
    element, or what a deflated data set swells to, may be larger than our memory."""
    try:
        with path.open("rb") as file:
            part = split(file.read(BEGINNING))
        syntax = UID(part.syntax)
        data = _inflated(part.dataset) if syntax.is_deflated else bytes(part.dataset)
        head = read_dataset(
            BytesIO(data),
            syntax.is_implicit_VR,
            syntax.is_little_endian,
            stop_when=_is_behind,
            specific_tags=UIDS,
        )
        return Image(path, str(head.SOPInstanceUID), str(head.SOPClassUID), part.syntax)
    except Exception:  # whatever a stranger's file makes pydicom stumble over
        return None


def _inflated(data: "bytes | memoryview") -> bytes:
    return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, BEGINNING)


def _is_behind(tag: BaseTag, *_: object) -> bool:
    return bool(tag > UIDS[-1])


def owners(images: Iterable[Image]) -> dict[str, Owner]:
    """Whose each image of ours is, by its UID. One that two projects have given out is nobody's."""
    found: dict[str, set[Owner]] = defaultdict(set)
    wanted = [image.uid for image in images]
    for at in range(0, len(wanted), looking.PAGE):
        rows = Seal.objects.filter(sop_uid__in=wanted[at : at + looking.PAGE])
        for uid, project_id, patient in rows.values_list("sop_uid", "project_id", "person__pseudonym"):
            found[uid].add(Owner(project_id, patient))
    return {uid: next(iter(those)) for uid, those in found.items() if len(those) == 1}


# --- images of ours -------------------------------------------------------------------------------


def seeing(destinations: Iterable[Destination], project_id: int) -> list[Node]:
    """The nodes of these destinations that may see identities of this project today."""
    rows = {one.pk: one.node for one in destinations if one.node is not None}
    return [node for pk in identified(list(rows), project_id, timezone.now().date()) if (node := rows[pk])]


def send_home(
    node: Node,
    owner: Owner,
    images: Sequence[Image],
    tell: Callable[[Told], None],
    going: Callable[[], bool],
) -> None:
    """C-STORE the originals of these images of one person. The mark in the audit comes before the first of them."""
    try:
        make = restoring(node.pk, owner.project_id, owner.patient, [image.uid for image in images])
    except Unmade as why:
        for image in images:
            tell(Told(image, "later" if why.later else "refused", str(why)))
        return
    outgoing = [
        scu.Outgoing(
            number,
            image.sop_class,
            image.uid,
            image.syntax,
            image.path,
            restore=partial(make, image.uid, image.syntax, image.path),
        )
        for number, image in enumerate(images)
    ]
    scu.send(
        peer_of(node),
        outgoing,
        lambda answer: tell(Told(images[answer.ordinal], answer.verdict, answer.reason)),
        going,
    )


# --- results --------------------------------------------------------------------------------------


def come_home(image: Image, node: NodeFacts, destinations: Sequence[Destination]) -> Told:
    """Safe on its way home, or held for a person, which is told as refused."""
    if image.path.stat().st_size > settings.DICOM_MEMORY_LIMIT * MEGABYTE // 4:
        return Told(image, "refused", TOO_LARGE)
    try:
        data = bytes(split(image.path.read_bytes()).dataset)
        said = mentions(parts_of(data, image.syntax, keeping.limits()))
    except DeidError:
        return Told(image, "refused", UNREADABLE)
    route = _route_of(said, destinations)
    if isinstance(route, str):
        return Told(image, "refused", route)
    hold = arrive(Arrival(route, node, image.syntax, data, said))
    return (
        Told(image, "stored") if hold is None else Told(image, "refused", f"Held for a person: {hold.reason}")
    )


def _route_of(said: Mentions, destinations: Sequence[Destination]) -> RouteFacts | str:
    """A route of the project that it belongs to, with the backend's destinations; of the first one, if to none."""
    projects = list(Project.objects.filter(retired_at=None).order_by("pk").values_list("pk", flat=True))
    matching = [one for one in projects if isinstance(_verdict(said, one), Match)]
    if len(matching) > 1:
        return AMBIGUOUS
    routes = sorted(load_table().routes.values(), key=lambda one: one.id)
    fitting = [one for one in routes if one.project_id in (matching or projects)]
    if not fitting:
        return NO_ROUTE
    return replace(fitting[0], destination_ids=tuple(one.pk for one in destinations))


def _verdict(said: Mentions, project_id: int) -> Match | Hold:
    found: Found = looking.look_up(project_id, said)
    return decide(said, found)

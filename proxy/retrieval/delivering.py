"""Deliveries that go out restored (`DICOM_ANONYMIZE_PATIENTS=False`): who gets originals, and what makes them.

Only a node with the identified view gets any, under its standing grant, which is looked at again while a delivery goes
on. An original is made of clean file and seal in memory, when its turn has come at a peer that is there; the mark in
the audit comes before the first of them. What cannot be made does not go out, and nothing goes in its place.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from django.db import connections
from django.utils import timezone

from proxy.deid import seal
from proxy.network.giving import Restored, Withheld
from proxy.network.reading import window
from proxy.network.scu import Unmade
from proxy.retrieval.opening import Seals
from proxy.retrieval.query import sealed
from proxy.retrieval.restoring import restored
from proxy.retrieval.views import Grant, view_of
from proxy.routing.match import load_table
from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing
from proxy.vault import keyring, reidentify, uids
from proxy.vault.reidentify import NotAllowed, Opened
from proxy.vault.seals import Forgotten, NoSeal

PAGE = 200
NOT_ALLOWED = (
    "Only restored images leave (DICOM_ANONYMIZE_PATIENTS is off), and this node has not the identified view of this"
    " project, or its grant has ended: change the site, then retry."
)
GONE = "The person was forgotten: nothing leads back any more."
BROKEN = "The original cannot be made of its file and its seal ({kind}): run doctor."


def restoring(
    node_id: int, project_id: int, patient: str, images: Sequence[str]
) -> Callable[[str, str, Path], Restored]:
    """What makes the originals of these images of this pseudonym for this node. It and its pieces raise Unmade, as does
    this: then it may have none."""
    allowed(node_id, project_id, patient)
    return _Originals(node_id, project_id, patient, tuple(images))


def allowed(node_id: int, project_id: int, patient: str) -> None:
    """Whether this node may have originals of this pseudonym now. Raises Unmade."""
    try:
        keyring.current()
    except KeysMissing as missing:
        raise Unmade(str(missing), later=True) from None
    granted(node_id, project_id)
    if uids.forgotten(project_id, [patient]):
        raise Unmade(GONE)


def naming(node_id: int, project_id: int, patient: str, images: Sequence[str]) -> Mapping[str, str]:
    """The original SOP Instance UID of each of these, under the same conditions and with a mark. Raises Unmade."""
    allowed(node_id, project_id, patient)
    made = _Originals(node_id, project_id, patient, tuple(images))
    pages = (images[at : at + PAGE] for at in range(0, len(images), PAGE))
    with _unmade():
        return {uid: name for page in pages for uid, name in _names(page, made.reading(page))}


def _names(page: Sequence[str], plain: Callable[[str], bytes]) -> Iterator[tuple[str, str]]:
    for uid in page:
        yield uid, sealed.originals(plain(uid)).get("SOPInstanceUID", uid)


def granted(node_id: int, project_id: int) -> Grant:
    """Under what the node sees identities of this project today. Raises Unmade."""
    nodes = (node for group in load_table().nodes.values() for node in group)
    node = next((one for one in nodes if one.id == node_id), None)
    view = view_of(node, timezone.now().date()) if node is not None else None
    if view is None or view.grant is None or project_id not in view.projects:
        raise Unmade(NOT_ALLOWED)
    return view.grant


@dataclass(slots=True, repr=False, eq=False)
class _Originals:
    """Of one delivery. Several lines may ask at once, each for an image of its own."""

    node_id: int
    project_id: int
    patient: str
    images: tuple[str, ...]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _own: threading.local = field(default_factory=threading.local)
    _thread: int = field(default_factory=threading.get_ident)
    _read: Callable[[Sequence[str]], Callable[[str], Opened]] | None = None
    _seals: Seals = field(init=False)

    def __post_init__(self) -> None:
        self._seals = Seals(self.images, self.reading)

    def __call__(self, uid: str, syntax: str, path: Path) -> Restored:
        try:
            image = restored(path, syntax, lambda: self._seal(uid), self._window())
        except Withheld as why:
            raise Unmade(BROKEN.format(kind=why)) from None
        return replace(image, pieces=_told(image.pieces))

    def _window(self) -> memoryview:
        """One for each line: what is made of it is sent before the next is made."""
        if not hasattr(self._own, "window"):
            self._own.window = window()
        found: memoryview = self._own.window
        return found

    def _seal(self, uid: str) -> seal.Opened:
        with self._lock, _unmade():
            return self._seals.take(uid)

    def reading(self, some: Sequence[str]) -> Callable[[str], bytes]:
        """What opens the seals of these, if the grant still holds."""
        try:
            opened = self._marked(granted(self.node_id, self.project_id))(some)
        finally:
            if threading.get_ident() != self._thread:
                connections.close_all()  # a line's thread ends without telling
        return lambda uid: self._plain(opened(uid))

    def _marked(self, grant: Grant) -> Callable[[Sequence[str]], Callable[[str], Opened]]:
        if self._read is None:
            principal = replace(grant.principal, unlimited=True)  # it does not ask: the site sends it
            self._read = reidentify.restoring_in_turn(
                principal, self.patient, self.images, self.project_id, grant.purpose
            )
        return self._read

    def _plain(self, opened: Opened) -> bytes:
        if opened.known.pseudonym != self.patient:
            raise NoSeal("It is another person's, for whom no mark was left.")
        return opened.plain


@contextmanager
def _unmade() -> Iterator[None]:
    try:
        yield
    except Forgotten:
        raise Unmade(GONE) from None
    except (KeysMissing, NotAllowed) as why:
        raise Unmade(str(why), later=True) from None
    except (NoSeal, SealBroken) as trouble:
        raise Unmade(BROKEN.format(kind=type(trouble).__name__)) from None


def _told(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    try:
        yield from pieces
    except Withheld as why:
        raise Unmade(BROKEN.format(kind=why)) from None

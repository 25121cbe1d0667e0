"""One instance on its way in: its beginning says what it is, the rest goes to reception as from the wire."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from django.conf import settings

from proxy.dicomweb.askers import Asker
from proxy.dicomweb.negotiation import read as media_of
from proxy.dicomweb.store import head
from proxy.dicomweb.store.fates import SYNTAX_NOT_SUPPORTED, UNREADABLE, Fate
from proxy.dicomweb.store.head import Head, NoImage
from proxy.network.contexts import accepted_classes, taken_syntaxes
from proxy.network.door import Sink, StoreCommand
from proxy.network.statuses import SOP_CLASS_NOT_SUPPORTED, SUCCESS
from proxy.routing.match import NodeFacts, RouteFacts

Begin = Callable[[RouteFacts | None, NodeFacts | None, StoreCommand], Sink]
DICOM: Final = "application/dicom"
AS_IT_IS: Final = ("", "binary", "8bit", "7bit")


@dataclass(slots=True)
class Arriving:
    """After the first trouble the rest is let pass, so that the answer tells of every instance.

    `study`: the one that it must be of; empty: any.
    """

    begin: Begin
    asker: Asker
    study: str = ""
    _start: bytes = field(init=False, default=b"")
    _head: Head | None = field(init=False, default=None)
    _sink: Sink | None = field(init=False, default=None)
    _fate: Fate | None = field(init=False, default=None)

    def feed(self, view: memoryview) -> None:
        if self._fate is not None:
            return
        if self._sink is not None:
            self._sink.feed(view)
        else:
            self._start += view
            self._look(is_all=False)

    def finish(self) -> Fate:
        if self._fate is None and self._sink is None:
            self._look(is_all=True)
        if self._fate is None and self._sink is not None and self._head is not None:
            sink, self._sink = self._sink, None
            self._fate = self._named(self._head, sink.finish().status)
        return self._fate or UNREADABLE

    def abort(self) -> None:
        if self._sink is not None:
            self._sink.abort()
            self._sink = None

    def refuse(self) -> None:
        """Its part is of a kind that we do not read."""
        self._fate = UNREADABLE

    def _look(self, *, is_all: bool) -> None:
        try:
            found = head.read(self._start, is_all=is_all)
        except NoImage:
            self._fate, self._start = UNREADABLE, b""
            return
        if found is not None:
            self._open(found, self._start)
            self._start = b""

    def _open(self, found: Head, start: bytes) -> None:
        if why := objection(found):
            self._fate = self._named(found, why)
            return
        command = StoreCommand(found.sop_class, found.uid, found.syntax, 0, None, None, self.study)
        self._head, self._sink = found, self.begin(self.asker.route, self.asker.node, command)
        if len(start) > found.size:
            self._sink.feed(memoryview(start)[found.size :])

    def _named(self, found: Head, status: int) -> Fate:
        is_coerced = self.asker.node is None or not self.asker.node.outside
        return Fate(status, found.sop_class, found.uid, is_coerced)


def objection(found: Head) -> int:
    """What would not have been negotiated on the wire; else Success."""
    if found.sop_class not in _classes(tuple(settings.DICOM_ACCEPTED_CLASSES)):
        return SOP_CLASS_NOT_SUPPORTED
    return SUCCESS if found.syntax in taken_syntaxes(found.sop_class) else SYNTAX_NOT_SUPPORTED


@lru_cache(maxsize=4)
def _classes(wanted: tuple[str, ...]) -> frozenset[str]:
    return frozenset(accepted_classes(wanted))


def is_readable(headers: Mapping[str, str]) -> bool:
    """Whether a part is an instance as we take it; one that does not say what it is may be one."""
    said = headers.get("content-type", DICOM)
    media = media_of(said)
    encoded = headers.get("content-encoding", ""), headers.get("content-transfer-encoding", "").lower()
    return (
        media is not None
        and media.name == DICOM
        and encoded[0] in ("", "identity")
        and encoded[1] in AS_IT_IS
    )

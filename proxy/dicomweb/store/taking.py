"""A request's body, instance by instance: what became of each, and what ended the body before its end."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from proxy.api.problems import Problem
from proxy.dicomweb.negotiation import RELATED, Media
from proxy.dicomweb.store.arriving import DICOM, Arriving, is_readable
from proxy.dicomweb.store.fates import Fate
from proxy.dicomweb.store.multipart import Begins, Event, Malformed, Multipart, Piece

MOST_PARTS: Final = 10_000
BOUNDARY: Final = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=? ")
LONGEST_BOUNDARY: Final = 200  # RFC 2046 5.1.1 says 70, and Orthanc sends 73
TYPES: Final = (
    "Send application/dicom, or multipart/related with type application/dicom. Metadata with bulk data beside it "
    "(application/dicom+json, application/dicom+xml) is not taken."
)
TOO_MANY: Final = f"A request may have {MOST_PARTS} instances; send the rest in another."
NO_BOUNDARY: Final = "Content-Type names no boundary, or none that could be one."


@dataclass(slots=True)
class Taking:
    """`fates` holds what became of what has come so far, whatever ends it."""

    arriving: Callable[[], Arriving]
    fates: list[Fate] = field(default_factory=list)
    _now: Arriving | None = field(init=False, default=None)

    def all(self, media: Media, pieces: Iterator[bytes]) -> Problem | None:
        """What ended it too early, or nothing."""
        try:
            if media.name == DICOM:
                self._single(pieces)
            else:
                self._parts(Multipart(boundary_of(media)), pieces)
        except Malformed as why:
            return Problem(400, "malformed", str(why))
        except Problem as why:
            return why
        finally:
            if self._now is not None:
                self._now.abort()
        return None

    def _single(self, pieces: Iterator[bytes]) -> None:
        self._now, size = self.arriving(), 0
        for piece in pieces:
            size += len(piece)
            self._now.feed(memoryview(piece))
        if size:
            self._end()

    def _parts(self, parts: Multipart, pieces: Iterator[bytes]) -> None:
        is_empty = True
        for piece in pieces:
            is_empty = False
            for event in parts.feed(piece):
                self._take(event)
            if parts.is_over:
                return
        if not is_empty:
            parts.finish()

    def _take(self, event: Event) -> None:
        if isinstance(event, Piece):
            if self._now is not None:
                self._now.feed(event.view)
        elif isinstance(event, Begins):
            if len(self.fates) == MOST_PARTS:
                raise Problem(413, "too-many", TOO_MANY)
            self._now = self.arriving()
            if not is_readable(event.headers):
                self._now.refuse()
        else:
            self._end()

    def _end(self) -> None:
        if self._now is not None:
            self.fates.append(self._now.finish())
            self._now = None


def kind_of(media: Media | None) -> Media:
    """What we take. Raises Problem: 415, or 400 for a boundary that is none."""
    if media is None or media.name not in (DICOM, RELATED):
        raise Problem(415, "wrong-type", TYPES)
    if media.name == RELATED:
        if media.inner not in ("", DICOM):
            raise Problem(415, "wrong-type", TYPES)
        boundary_of(media)
    return media


def boundary_of(media: Media) -> str:
    said = media.parameters.get("boundary", "")
    if not 0 < len(said) <= LONGEST_BOUNDARY or not BOUNDARY.issuperset(said) or said.endswith(" "):
        raise Problem(400, "malformed", NO_BOUNDARY)
    return said

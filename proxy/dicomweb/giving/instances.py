"""Whole images on their way out: Part 10 files one after the other, of which never more than a window is in memory.

In the pseudonymous view the file goes as it lies there; in the identified view the original is made while it goes. An
image that cannot be given ends the answer before its last boundary: whoever asked sees that it was cut, and no study
comes short without a word.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Final

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from proxy.deid.part10 import make_meta
from proxy.dicomweb.giving import memory, sources
from proxy.dicomweb.giving.encoded import Broken
from proxy.dicomweb.giving.forms import EXPLICIT, PLAIN, Form
from proxy.dicomweb.giving.multipart import Multipart
from proxy.dicomweb.giving.pixels import NoFrame, Pictures
from proxy.network.giving import Offer, Restored, Tally, Withheld
from proxy.network.part10 import NotPart10, Unconvertible, data_set, reencoded_data
from proxy.network.reading import Reading, window

DICOM: Final = "application/dicom"
NOT_MADE: Final = "It cannot be made in this transfer syntax here; name `*`, or its own."
TOGETHER: Final = 1 << 20  # bytes
_TROUBLES: Final = (Withheld, NotPart10, OSError, Broken)


class Cut(Exception):
    """Ends an answer that has begun: not all that was promised can be given."""


class NotMade(Cut):
    """It is there, and its pixels cannot be decoded here, or not in the transfer syntax that is wanted."""


@dataclass(frozen=True, slots=True)
class Sending:
    """Some images in one form; `count` of them were promised."""

    offers: Iterable[Offer]
    count: int
    form: Form

    def related(self, multipart: Multipart, tally: Tally) -> Iterator[bytes]:
        """All of them, as a multipart/related. Raises Cut."""
        into, first = window(), True
        for offer in self.offers:
            with _counted(tally):
                for begins, piece in _marked(_part10(offer, self.form, into)):
                    before = multipart.head(media(piece.syntax), first=first) if begins else b""
                    yield b"".join((before, *piece.data))  # the one time that it is copied
            first = False
        self._mind_the_count(tally)
        yield multipart.end

    def single(self, tally: Tally) -> Iterator[bytes]:
        """The one image. Raises Cut."""
        into = window()
        for offer in self.offers:
            with _counted(tally):
                for piece in _part10(offer, self.form, into):
                    yield b"".join(piece.data)
        self._mind_the_count(tally)

    def _mind_the_count(self, tally: Tally) -> None:
        if tally.completed != self.count:
            raise Cut("Images went while they were given.")


def media(syntax: str) -> str:
    return f"{DICOM}; transfer-syntax={syntax}"


@contextmanager
def _counted(tally: Tally) -> Iterator[None]:
    """An image that is through has been given; one that is not has failed, and so has the answer."""
    tally.remaining -= 1
    try:
        yield
    except Unconvertible:
        tally.failed += 1
        raise NotMade(NOT_MADE) from None
    except _TROUBLES as trouble:
        tally.failed += 1
        raise Cut(f"An image could not be given ({type(trouble).__name__}).") from None
    except BaseException:
        tally.failed += 1
        raise
    tally.completed += 1


@dataclass(frozen=True, slots=True, repr=False)
class _Piece:
    syntax: str
    data: "Sequence[bytes | memoryview]"


def _marked(pieces: Iterator[_Piece]) -> Iterator[tuple[bool, _Piece]]:
    begins = True
    for piece in pieces:
        yield begins, piece
        begins = False


def _part10(offer: Offer, form: Form, into: memoryview) -> Iterator[_Piece]:
    if offer.restore is not None:
        yield from _restored(offer, offer.restore(), form)
        return
    syntax = _syntax(form, offer.transfer_syntax)
    if syntax == offer.transfer_syntax:
        with Reading(offer.path, into) as reading:
            for view in reading.with_meta():
                yield _Piece(syntax, (view,))
        return
    with memory.room.taking(_converting(offer)):
        data = converted(data_set(offer.path), offer.transfer_syntax)
        yield _Piece(syntax, (make_meta(offer.sop_class, offer.sop_instance, syntax), data))


def _converting(offer: Offer) -> int:
    """Bytes of memory that it takes: the data set as it is read, its pixels, and both as they are written. Raises
    Undecodable, Broken, OSError."""
    if offer.transfer_syntax == DeflatedExplicitVRLittleEndian:
        return 2 * sources.LARGEST
    pixels = 0
    if offer.transfer_syntax not in PLAIN:
        with suppress(NoFrame):
            pictures = Pictures(sources.opened(replace(offer, restore=None)))
            pixels = pictures.count * pictures.decoded_size()
    return 3 * (offer.path.stat().st_size + pixels)


def _restored(offer: Offer, image: Restored, form: Form) -> Iterator[_Piece]:
    syntax = _syntax(form, image.transfer_syntax)
    meta = make_meta(image.sop_class, image.sop_instance, syntax)
    if syntax == image.transfer_syntax:
        yield from (_Piece(syntax, some) for some in _gathered(meta, image.pieces))
        return
    with memory.room.taking(_converting(offer)):
        yield _Piece(syntax, (meta, converted(b"".join(image.pieces), image.transfer_syntax)))


def _gathered(first: bytes, pieces: "Iterable[bytes | memoryview]") -> "Iterator[list[bytes | memoryview]]":
    """A restored image is many pieces, most of them of a few bytes, and each would be a send of its own."""
    some: list[bytes | memoryview] = [first]
    size = len(first)
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= TOGETHER:
            yield some
            some, size = [], 0
    yield some


def _syntax(form: Form, stored: str) -> str:
    found = form.of(stored)
    if found is None:
        raise Unconvertible("None of the transfer syntaxes that are taken can be made.")
    return found


def converted(data: bytes, stored: str) -> bytes:
    """In explicit little endian. Raises Unconvertible, Broken."""
    if stored == ExplicitVRBigEndian:
        return sources.little(data)
    if stored == DeflatedExplicitVRLittleEndian:
        return sources.inflated(data)
    return reencoded_data(data, stored, EXPLICIT)

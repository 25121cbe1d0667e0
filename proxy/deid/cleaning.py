"""One file through the engine, a megabyte at a time, from wherever it comes, into a file or, on a dry run, nowhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from proxy.deid.beside import Digest
from proxy.deid.context import Subject
from proxy.deid.engine import Engine
from proxy.deid.errors import Unreadable
from proxy.deid.facts import Facts
from proxy.deid.library import HeldError
from proxy.deid.passing import Clean, Pass
from proxy.deid.recognising import FIRST, Shape, recognise

STEP: Final = 1 << 20
ENCAPSULATED: Final = tuple(b"\xe0\x7f\x10\x00" + vr + b"\0\0\xff\xff\xff\xff" for vr in (b"OB", b"OW"))
HEAD: Final = 12  # bytes of one of these
START: Final = 132  # bytes up to the end of DICM


class NotDicom(Exception):
    """Nothing in this file looks like DICOM."""


class IsDirectory(Exception):
    """A DICOMDIR: it names persons and files that are no longer there, so it is made anew."""


class Source(Protocol):
    """Where a file comes from: up to so many bytes, none at its end. A view may die at the next call."""

    def read(self, size: int, /) -> bytes | memoryview: ...


class Target(Protocol):
    """Where a clean file goes. Views may die after the call."""

    def writelines(self, pieces: Sequence[bytes | memoryview], /) -> None: ...


@dataclass(frozen=True, slots=True, repr=False)
class Cleaned:
    clean: Clean
    facts: Facts


def cleaned(
    source: Source,
    out: Target | None,
    engine: Engine,
    who: Callable[[Facts], Subject],
    *,
    digest: Digest | None = None,
    weigh: Callable[[int], None] | None = None,
) -> Cleaned:
    """Raises NotDicom, IsDirectory, HeldError, DeidError, and what source and target raise.

    digest: see `Engine.begin`. weigh: is told after each piece how many bytes the file costs in memory.
    """
    first, shape = _recognised(source)
    if shape is None:
        raise NotDicom
    if shape.directory:
        raise IsDirectory
    if shape.bare:
        source = _Uncompressed(source)
        source.look(first)
    head = bytes(first[: shape.start])
    work = engine.begin(shape.syntax, file_head=head, copies=False, digest=digest)
    return _through(work, memoryview(first)[shape.start :], source, out, who, weigh or _nobody)


def _recognised(source: Source) -> tuple[bytes, Shape | None]:
    """From as little as says it for sure: a file that names its encoding in its first piece waits for no more."""
    first = bytes(source.read(FIRST))
    while len(first) < FIRST:
        if shape := _at_once(first):
            return first, shape
        piece = source.read(FIRST - len(first))
        if not piece:
            break
        first += piece
    return first, recognise(first)


def _at_once(first: bytes) -> Shape | None:
    if first[START - 4 : START] != b"DICM":
        return None
    try:
        shape = recognise(first)
    except Unreadable:  # its File Meta may go on
        return None
    return shape if shape is not None and shape.start < len(first) else None


@dataclass(slots=True)
class _Uncompressed:
    """Without File Meta nobody knows how pixels are compressed, and a guess would make them unreadable."""

    source: Source
    tail: bytes = b""

    def read(self, size: int) -> bytes | memoryview:
        piece = self.source.read(size)
        self.look(piece)
        return piece

    def look(self, piece: bytes | memoryview) -> None:
        seen = self.tail + piece
        if any(head in seen for head in ENCAPSULATED):
            raise Unreadable("a data set without File Meta whose pixels are compressed, nothing says how")
        self.tail = seen[-(HEAD - 1) :]


def _nobody(_: int) -> None:
    """Where nobody counts what is held in memory."""


def _through(
    work: Pass,
    piece: bytes | memoryview,
    source: Source,
    out: Target | None,
    who: Callable[[Facts], Subject],
    weigh: Callable[[int], None],
) -> Cleaned:
    settled = False
    while piece:
        weigh(work.weight + len(piece))
        work.feed(piece)
        if settled or work.facts is not None:
            weigh(work.weight + len(piece))
            out, settled = (out if settled else _settled(work, out, who)), True
            _write(out, work.take())
        piece = source.read(STEP)
    work.end()
    return _finished(work, out if settled else _settled(work, out, who))


def _settled(work: Pass, out: Target | None, who: Callable[[Facts], Subject]) -> Target | None:
    """Where the rest goes: of an image that a gate holds nothing is written, because its pixels may show who it is."""
    facts = work.facts
    assert facts is not None  # noqa: S101 - for mypy: end() or feed() found them
    if work.settle(who(facts)):
        return None
    _write(out, [work.meta])
    return out


def _write(out: Target | None, pieces: Sequence[bytes | memoryview]) -> None:
    if out is not None:
        out.writelines(pieces)


def _finished(work: Pass, out: Target | None) -> Cleaned:
    clean = work.finish()
    if clean.holds:
        raise HeldError(clean)
    _write(out, clean.rest)
    clean.rest.clear()
    facts = work.facts
    assert facts is not None  # noqa: S101 - for mypy
    return Cleaned(clean, facts)

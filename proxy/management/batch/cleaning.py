"""One file through the engine, a megabyte at a time, into a file or, on a dry run, into nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO, Final

from proxy.deid import Clean, Engine, Facts, HeldError, Pass, Subject, Unreadable
from proxy.management.batch.recognising import FIRST, Shape, recognise

STEP: Final = 1 << 20
ENCAPSULATED: Final = tuple(b"\xe0\x7f\x10\x00" + vr + b"\0\0\xff\xff\xff\xff" for vr in (b"OB", b"OW"))


class NotDicom(Exception):
    """Nothing in this file looks like DICOM."""


class IsDirectory(Exception):
    """A DICOMDIR: it names persons and files that are no longer there, so it is made anew."""


@dataclass(frozen=True, slots=True, repr=False)
class Cleaned:
    clean: Clean
    facts: Facts


def cleaned(path: Path, out: BinaryIO | None, engine: Engine, who: Callable[[Facts], Subject]) -> Cleaned:
    """Raises NotDicom, IsDirectory, HeldError, DeidError, OSError."""
    with path.open("rb") as file:
        first = file.read(FIRST)
        shape = recognise(first)
        if shape is None:
            raise NotDicom
        if shape.directory:
            raise IsDirectory
        if shape.bare:
            _refuse_compressed(file, shape)
        file.seek(len(first))
        work = engine.begin(shape.syntax, file_head=first[: shape.start], copies=False)
        return _through(work, memoryview(first)[shape.start :], file, out, who)


def _refuse_compressed(file: BinaryIO, shape: Shape) -> None:
    """Without File Meta nobody knows how its pixels are compressed, and a guess would make them unreadable."""
    with mmap(file.fileno(), 0, access=ACCESS_READ) as whole:
        if any(whole.find(head) >= 0 for head in ENCAPSULATED):
            raise Unreadable("a data set without File Meta whose pixels are compressed, nothing says how")


def _through(
    work: Pass,
    piece: bytes | memoryview,
    file: BinaryIO,
    out: BinaryIO | None,
    who: Callable[[Facts], Subject],
) -> Cleaned:
    settled = False
    while piece:
        work.feed(piece)
        if settled or work.facts is not None:
            settled = settled or _settled(work, out, who)
            _write(out, work)
        piece = file.read(STEP)
    work.end()
    if not settled:
        _settled(work, out, who)
    return _finished(work, out)


def _settled(work: Pass, out: BinaryIO | None, who: Callable[[Facts], Subject]) -> bool:
    facts = work.facts
    assert facts is not None  # noqa: S101 - for mypy: end() or feed() found them
    work.settle(who(facts))
    if out is not None:
        out.write(work.meta)
    return True


def _write(out: BinaryIO | None, work: Pass) -> None:
    pieces = work.take()
    if out is not None:
        out.writelines(pieces)


def _finished(work: Pass, out: BinaryIO | None) -> Cleaned:
    clean = work.finish()
    if clean.holds:
        raise HeldError(clean)
    if out is not None:
        out.writelines(clean.rest)
    clean.rest.clear()
    facts = work.facts
    assert facts is not None  # noqa: S101 - for mypy
    return Cleaned(clean, facts)

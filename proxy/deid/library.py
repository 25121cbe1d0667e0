"""The engine for scripts (W20): on a pydicom Dataset, on bytes of a Part 10 file, or on a path."""

import os
from collections.abc import Callable, Iterable
from io import BufferedReader, BytesIO
from itertools import cycle
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from proxy.deid.beside import Beside
from proxy.deid.context import Subject
from proxy.deid.engine import Engine, deidentify
from proxy.deid.errors import EngineFault
from proxy.deid.facts import Facts
from proxy.deid.part10 import split
from proxy.deid.passing import Clean, Pass
from proxy.deid.syntaxes import BIG_ENDIAN, IMPLICIT

_EXPLICIT = "1.2.840.10008.1.2.1"
_STEP = 1 << 20
_LARGE = 8 << 20  # from here on a second thread pays


class HeldError(EngineFault):
    """A gate says no; `clean.holds` says why. Nothing was written."""

    def __init__(self, clean: Clean) -> None:
        super().__init__("held: " + " ".join(hold.reason for hold in clean.holds))
        self.clean = clean


def deidentify_bytes(
    data: bytes | memoryview, engine: Engine, subject: Callable[[Facts], Subject]
) -> tuple[bytes, Clean]:
    """A Part 10 file in, a clean one out. Raises HeldError where a gate says no."""
    parts = split(data)
    clean = _passed(deidentify(parts.dataset, parts.syntax, engine, subject, parts.head))
    return clean.meta + b"".join(clean.rest), clean


def deidentify_file(source: Path, target: Path, engine: Engine, subject: Callable[[Facts], Subject]) -> Clean:
    """From file to file, a megabyte at a time; what a gate holds leaves no file behind."""
    beside = target.with_name(f"{target.name}.{token_hex(4)}.part")  # two runs never share one
    try:
        with source.open("rb") as file, beside.open("xb") as out:
            clean = _piecewise(file, out, engine, subject)
        beside.rename(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    return clean


def _piecewise(
    file: BufferedReader, out: BinaryIO, engine: Engine, subject: Callable[[Facts], Subject]
) -> Clean:
    if os.fstat(file.fileno()).st_size < _LARGE:
        return _through(file, out, engine, subject, None)
    with Beside() as digest:
        return _through(file, out, engine, subject, digest)


def _through(
    file: BufferedReader,
    out: BinaryIO,
    engine: Engine,
    subject: Callable[[Facts], Subject],
    digest: Beside | None,
) -> Clean:
    """Through two buffers in turn: pixel data are read into one, and written and digested from the other."""
    buffers = cycle([memoryview(bytearray(_STEP)) for _ in range(2 if digest else 1)])
    parts = split(file.read(_STEP))
    work = engine.begin(parts.syntax, file_head=parts.head, copies=False, digest=digest)
    piece, settled = parts.dataset, False
    while piece:
        work.feed(piece)
        if settled or work.facts is not None:
            out, settled = (out if settled else _settled(work, out, subject)), True
            out.writelines(work.take())
        if digest:
            digest.turn()
        buffer = next(buffers)
        piece = buffer[: file.readinto(buffer)]
    work.end()
    out = out if settled else _settled(work, out, subject)
    clean = _passed(work.finish())
    out.writelines(clean.rest)
    clean.rest.clear()
    return clean


class _Nowhere(BytesIO):
    def writelines(self, pieces: Iterable[object], /) -> None:
        """Where an image goes that a gate holds: its pixels may show who it is."""


def _settled(work: Pass, out: BinaryIO, subject: Callable[[Facts], Subject]) -> BinaryIO:
    if work.facts is None:
        raise EngineFault("no facts at the end")
    if work.settle(subject(work.facts)):
        return _Nowhere()
    out.write(work.meta)
    return out


def deidentify_dataset(
    ds: Dataset, engine: Engine, subject: Callable[[Facts], Subject]
) -> tuple[Dataset, Clean]:
    """A new Dataset in the same transfer syntax; the given one stays as it is."""
    syntax = _syntax_of(ds)
    out = BytesIO()
    dcmwrite(
        out, ds, implicit_vr=syntax == IMPLICIT, little_endian=syntax != BIG_ENDIAN, enforce_file_format=False
    )
    data = out.getvalue()
    parts_at = split(data).dataset if data[128:132] == b"DICM" else memoryview(data)
    clean = _passed(deidentify(parts_at, syntax, engine, subject))
    return dcmread(BytesIO(clean.meta + b"".join(clean.rest))), clean


def _syntax_of(ds: Dataset) -> str:
    """What its File Meta says; else what it was read with; a Dataset made by hand is explicit."""
    said = str(getattr(getattr(ds, "file_meta", None), "TransferSyntaxUID", ""))
    read = {(True, True): IMPLICIT, (False, False): BIG_ENDIAN}
    return said or read.get(ds.original_encoding, _EXPLICIT)


def _passed(clean: Clean) -> Clean:
    if clean.holds:
        raise HeldError(clean)
    return clean

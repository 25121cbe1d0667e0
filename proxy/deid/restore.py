"""The way back (promise 6): the exact original from the clean object and its seal."""

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final

from proxy.deid import bigendian, seal
from proxy.deid.engine import Engine
from proxy.deid.errors import Unreadable, WrongSeal
from proxy.deid.intact import Check
from proxy.deid.part10 import make_meta, split
from proxy.deid.recipe import KEEP_ALL
from proxy.deid.seal import BEHIND, FILE_HEAD, STREAM, SYNTAX, Buffer, Opened, Piece
from proxy.deid.syntaxes import BIG_ENDIAN, DEFLATED

_STEP: Final = 1 << 20
_LEVELS: Final = (6, 9, 1, 5, 4, 3, 2, 7, 8)
_IN_MEMORY: Final = (DEFLATED, BIG_ENDIAN)


def restore(clean: bytes, transfer_syntax: str, sealed: bytes) -> bytes:
    """The original data set. Raises WrongSeal if the clean one was changed in its header or in its pixels.

    Of a deflated data set the very stream, where zlib can make it again; else the inflated data set is the same.
    """
    return _whole(clean, transfer_syntax, seal.read(sealed))


def _whole(clean: bytes, transfer_syntax: str, opened: Opened) -> bytes:
    if transfer_syntax == DEFLATED:
        return _deflated(_applied(_inflated(clean), opened), opened.extras)
    if transfer_syntax == BIG_ENDIAN:
        return _big_endian(clean, opened)
    return _applied(clean, opened)


def original_syntax(sealed: bytes, transfer_syntax: str) -> str:
    """Of the original; `transfer_syntax` is the clean object's, which masks may have changed."""
    return syntax_of(seal.read(sealed), transfer_syntax)


def syntax_of(opened: Opened, transfer_syntax: str) -> str:
    """As `original_syntax`."""
    return opened.extras.get(SYNTAX, b"").decode("ascii", "replace") or transfer_syntax


def restore_file(source: Path, target: Path, sealed: bytes) -> None:
    """From clean file to original file, byte for byte, preamble and File Meta too; a megabyte at a time.

    An image that came over the wire had no file: it gets a new File Meta. Raises WrongSeal and leaves no file then.
    """
    with source.open("rb") as file, _original_file(target) as out:
        _restored(file, out, seal.read(sealed))


def leads_back(source: Path, sealed: bytes) -> bool:
    """Whether the original of this clean file can be made with this seal."""
    try:
        with source.open("rb") as file, Path(os.devnull).open("wb") as nowhere:
            _restored(file, nowhere, seal.read(sealed))
    except WrongSeal:
        return False
    return True


def restored_pieces(clean: BinaryIO, transfer_syntax: str, sealed: bytes) -> Iterator[bytes]:
    """The original data set, a megabyte at a time, of the clean one that the file is at the start of.

    Raises WrongSeal, if pixels were changed only at the end.
    """
    yield from original(clean, transfer_syntax, seal.read(sealed))


def original(clean: BinaryIO, transfer_syntax: str, opened: Opened) -> Iterator[bytes]:
    """As `restored_pieces`, of a seal that was read."""
    if transfer_syntax in _IN_MEMORY:
        yield _whole(bytes(clean.read()), transfer_syntax, opened)
    else:
        yield from _original_pieces(clean, opened)


def original_at_once(clean: memoryview, transfer_syntax: str, opened: Opened) -> list[Buffer]:
    """Of a clean data set that lies in memory: its pixel data are views of it. Raises WrongSeal before anything."""
    if transfer_syntax in _IN_MEMORY:
        return [_whole(bytes(clean), transfer_syntax, opened)]
    return _checked(clean, opened)


def _checked(clean: memoryview, opened: Opened) -> list[Buffer]:
    """Nothing of it before all of it was checked."""
    opened.check_all(clean)
    return opened.edits.applied(clean, opened.header)


def _original_pieces(clean: BinaryIO, opened: Opened) -> Iterator[bytes]:
    start = clean.tell()
    header = clean.read(opened.header)
    opened.check(clean.seek(0, os.SEEK_END) - start, header)
    clean.seek(start)
    source = _Source(clean, opened)
    yield from _patched(source, opened.pieces, opened.size)
    opened.check_rest(source.check)


def write_original(target: Path, pieces: Iterable[bytes]) -> None:
    """Whole or not at all, and for nobody else to read."""
    with _original_file(target) as out:
        out.writelines(pieces)


@contextmanager
def _original_file(target: Path) -> Iterator[BinaryIO]:
    beside = target.with_name(f"{target.name}.{token_hex(4)}.part")  # two runs never share one
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # it names somebody
    try:
        with os.fdopen(handle, "wb") as out:
            yield out
        beside.rename(target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def _restored(file: BinaryIO, out: BinaryIO, opened: Opened) -> None:
    start = file.read(_STEP)
    parts = split(start)
    offset = len(start) - len(parts.dataset)
    file.seek(offset)
    if parts.syntax in _IN_MEMORY:
        data = _whole(file.read(), parts.syntax, opened)
        out.write(_file_head(opened, parts.syntax, data))
        out.write(data)
        return
    header = file.read(opened.header)
    opened.check(file.seek(0, 2) - offset, header)
    original = b"".join(_patched(_Source(BytesIO(header)), opened.pieces, opened.header))
    out.write(_file_head(opened, parts.syntax, original))
    file.seek(offset)
    out.writelines(_original_pieces(file, opened))


def _file_head(opened: Opened, clean_syntax: str, original: bytes) -> bytes:
    """As it was; an image that came over the wire gets a new one."""
    known = opened.extras.get(FILE_HEAD)
    if known is not None:
        return known  # nothing, of a file that was a bare data set
    return new_head(original, opened.extras.get(SYNTAX, b"").decode("ascii", "replace") or clean_syntax)


def new_head(original: bytes, syntax: str) -> bytes:
    """A preamble and File Meta for a data set that has none."""
    work = Engine(KEEP_ALL).begin(syntax)
    work.feed(original)
    work.end()
    facts = work.facts
    return make_meta(facts.sop_class_uid, facts.sop_instance_uid, syntax) if facts else b""


class _Source:
    """A clean data set being read from its start; what a seal can check of it is checked on the way."""

    def __init__(self, file: BinaryIO, opened: Opened | None = None) -> None:
        self._file = file
        self.check = opened.checking() if opened is not None else Check(b"", range(0), b"", range(0))
        self.at = 0

    def upto(self, end: int) -> Iterator[bytes]:
        """What stands there up to this offset, in steps."""
        where = self.check.where
        while self.at < end:
            step = self._file.read(min(_STEP, end - self.at))
            if not step:
                return
            first, last = max(self.at, where.start), min(self.at + len(step), where.stop)
            if first < last:
                self.check.update(memoryview(step)[first - self.at : last - self.at])
            self.at += len(step)
            yield step


def _patched(source: _Source, pieces: Sequence[Piece], end: int) -> Iterator[bytes]:
    """The original bytes that stand for the clean ones up to `end`."""
    for piece in pieces:
        if piece.at > end:
            break
        yield from source.upto(piece.at)
        yield piece.original
        for _ in source.upto(piece.at + piece.size):
            pass
    yield from source.upto(end)


def _applied(clean: bytes, opened: Opened) -> bytes:
    return b"".join(_checked(memoryview(clean), opened))


def _big_endian(clean: bytes, opened: Opened) -> bytes:
    """Header and trailer were sealed as little endian, pixel data as they are."""
    head, middle, tail = _split_big(clean)
    turned = head + middle + tail
    opened.check(len(turned), head)
    value = middle[12:]
    opened.check_bulk(hashlib.sha256(_as_little(value, middle[4:6])).digest())
    source = _Source(BytesIO(turned))
    first = b"".join(_patched(source, [one for one in opened.pieces if one.at <= len(head)], len(head)))
    rest = b"".join(_patched(source, [one for one in opened.pieces if one.at > len(head)], len(turned)))
    tail = rest[len(middle) :]
    return bigendian.turn(first, False)[0] + middle + bigendian.turn(tail, False)[0]


def _as_little(value: bytes, vr: bytes) -> bytes:
    return bigendian.swapped(value, 2) if vr == b"OW" else value


def _split_big(clean: bytes) -> tuple[bytes, bytes, bytes]:
    """(header turned, pixel data as they are, trailer turned)."""
    head, at = bigendian.turn(clean, True)
    if at == len(clean):
        return head, b"", b""
    end = at + 12 + int.from_bytes(clean[at + 8 : at + 12], "big")
    return head, clean[at:end], bigendian.turn(clean[end:], True)[0]


def _inflated(data: bytes) -> bytes:
    inflate = zlib.decompressobj(-15)
    try:
        found = inflate.decompress(data)
    except zlib.error:
        raise Unreadable("the deflated data set cannot be inflated") from None
    if not inflate.eof:
        raise Unreadable("the deflated data set ends early")
    return found


def _deflated(data: bytes, extras: Mapping[bytes, bytes]) -> bytes:
    """With the level that makes the stream that came, if there is one."""
    digest, behind = extras.get(STREAM), extras.get(BEHIND, b"")
    for level in _LEVELS if digest else ():
        stream = _packed(data, level) + behind
        if hashlib.sha256(stream).digest() == digest:
            return stream
    return _packed(data, _LEVELS[0])


def _packed(data: bytes, level: int) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()

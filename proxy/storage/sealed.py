"""Encrypted files of any size, written and read in pieces.

Layout: magic, version, chunk size, nonce prefix, the wrapped data key, then chunks of AES-256-GCM. Each file
has a random data key of its own; who may unwrap it is the caller's business. After the STREAM construction
(Hoang, Reyhanitabar, Rogaway, Vizár 2015) a chunk's nonce holds its number and whether it is the last, so
that a chunk that was moved, repeated, dropped or cut off is found. The fixed header and the caller's context
(what this file is) are authenticated with every chunk: a file put in another's place does not open.

A reader that takes chunk by chunk knows that all is well only after the last one: act on nothing before.
"""

import secrets
import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proxy.storage.errors import SealBroken

MAGIC: Final = b"POSTERN\x1a"
VERSION: Final = 1
CHUNK: Final = 65_536
LARGEST_CHUNK: Final = 1 << 24
TAG: Final = 16
_FIXED = struct.Struct(">8sBI7sH")  # magic, version, chunk size, nonce prefix, length of the wrapped key
_NONCE = struct.Struct(">7sIB")

Buffer = bytes | bytearray | memoryview
Wrap = Callable[[bytes], bytes]
Sink = Callable[[Sequence[Buffer]], object]


class SealedWriter:
    """Encrypts what it is given and hands it to `sink`; nothing is complete before `finish()`."""

    def __init__(self, sink: Sink, wrap: Wrap, context: bytes = b"", chunk: int = CHUNK) -> None:
        key, prefix = secrets.token_bytes(32), secrets.token_bytes(7)
        wrapped = wrap(key)
        self._sink, self._chunk, self._prefix = sink, chunk, prefix
        self._cipher, self._number, self._waiting = AESGCM(key), 0, bytearray()
        fixed = _FIXED.pack(MAGIC, VERSION, chunk, prefix, len(wrapped))
        self._bound = fixed + context
        sink([fixed, wrapped])

    def write(self, data: Buffer) -> None:
        """A full chunk waits until more comes, because the last one is marked."""
        view = memoryview(data).cast("B")
        at = self._chunk - len(self._waiting)
        self._waiting += view[:at]
        while at < view.nbytes:
            self._put(self._waiting, last=False)
            self._waiting = bytearray(view[at : at + self._chunk])
            at += self._chunk

    def finish(self) -> None:
        self._put(self._waiting, last=True)

    def _put(self, plain: bytearray, *, last: bool) -> None:
        nonce = _NONCE.pack(self._prefix, self._number, last)
        self._sink([self._cipher.encrypt(nonce, plain, self._bound)])
        self._number += 1


def open_sealed(path: Path, unwrap: Wrap, context: bytes = b"") -> Iterator[bytes]:
    """The plain chunks in order. SealBroken, at the latest after the last, if anything was changed."""
    with path.open("rb") as file:
        yield from unseal(file, unwrap, context)


def read_sealed(path: Path, unwrap: Wrap, context: bytes = b"") -> bytes:
    return b"".join(open_sealed(path, unwrap, context))


def unseal(file: BinaryIO, unwrap: Wrap, context: bytes = b"") -> Iterator[bytes]:
    fixed = file.read(_FIXED.size)
    chunk, prefix, length = _header(fixed)
    cipher = AESGCM(_data_key(file.read(length), unwrap))
    number, piece = 0, file.read(chunk + TAG)
    while True:
        following = file.read(chunk + TAG)
        nonce = _NONCE.pack(prefix, number, not following)
        yield _decrypt(cipher, nonce, piece, fixed + context)
        if not following:
            return
        number, piece = number + 1, following


def _header(fixed: bytes) -> tuple[int, bytes, int]:
    if len(fixed) != _FIXED.size:
        raise SealBroken("This sealed file has no whole header.")
    magic, version, chunk, prefix, length = _FIXED.unpack(fixed)
    if magic != MAGIC or version != VERSION or not 0 < chunk <= LARGEST_CHUNK:
        raise SealBroken("This is no sealed file of a version we know.")
    return chunk, prefix, length


def _data_key(wrapped: bytes, unwrap: Wrap) -> bytes:
    key = unwrap(wrapped)
    if len(key) != 32:
        raise SealBroken("The data key of this sealed file is not one of ours.")
    return key


def _decrypt(cipher: AESGCM, nonce: bytes, piece: bytes, bound: bytes) -> bytes:
    try:
        return cipher.decrypt(nonce, piece, bound)
    except (InvalidTag, ValueError):
        raise SealBroken("This sealed file was changed, cut or belongs elsewhere.") from None

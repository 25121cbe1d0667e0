"""Request bodies that are sent from disk, piece by piece, with their length said before.

A body can be sent again: each iteration reads the files anew. What grows or shrinks meanwhile ends the request,
because its length was said already.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PIECE = 1 << 16  # what one `sendall` must get through before the line counts as silent


class SourceGone(Exception):
    """One of our own files cannot be read, or is not what it was."""


@dataclass(frozen=True, slots=True)
class FilePart:
    path: Path
    size: int

    @classmethod
    def of(cls, path: Path) -> "FilePart":
        try:
            return cls(path, path.stat().st_size)
        except OSError:
            raise SourceGone from None

    def pieces(self) -> Iterator[bytes]:
        left = self.size
        try:
            with self.path.open("rb") as file:
                while piece := file.read(PIECE):
                    left -= len(piece)
                    if left < 0:
                        break
                    yield piece
        except OSError:
            raise SourceGone from None
        if left:
            raise SourceGone


Part = bytes | FilePart


@dataclass(frozen=True, slots=True)
class Body:
    """`len` is what `requests` asks for the Content-Length."""

    content_type: str
    parts: tuple[Part, ...]

    @property
    def len(self) -> int:
        return sum(one.size if isinstance(one, FilePart) else len(one) for one in self.parts)

    def __iter__(self) -> Iterator[bytes]:
        for one in self.parts:
            if isinstance(one, FilePart):
                yield from one.pieces()
            else:
                yield one


def related(paths: Iterable[Path]) -> Body:
    """multipart/related of DICOM files (PS3.18 8.6.1.2, RFC 2387)."""
    boundary = secrets.token_hex(16)
    head = b"Content-Type: application/dicom\r\n\r\n"
    parts = [(head, FilePart.of(path)) for path in paths]
    return Body(
        f'multipart/related; type="application/dicom"; boundary={boundary}', _bounded(parts, boundary)
    )


def form(fields: Sequence[tuple[str, str]], name: str, file_name: str, path: Path, content_type: str) -> Body:
    """multipart/form-data with one file, last (RFC 7578). Names and file name are ours: plain words."""
    boundary = secrets.token_hex(16)
    parts: list[tuple[bytes, Part]] = [
        (f'Content-Disposition: form-data; name="{key}"\r\n\r\n'.encode(), value.encode())
        for key, value in fields
    ]
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
    head = f"{disposition}Content-Type: {content_type}\r\n\r\n".encode()
    parts.append((head, FilePart.of(path)))
    return Body(f"multipart/form-data; boundary={boundary}", _bounded(parts, boundary))


def _bounded(parts: Sequence[tuple[bytes, Part]], boundary: str) -> tuple[Part, ...]:
    """Each part behind its boundary, which is random and so stands in no content."""
    pieces: list[Part] = []
    for head, content in parts:
        pieces += [f"--{boundary}\r\n".encode() + head, content, b"\r\n"]
    return (*pieces, f"--{boundary}--\r\n".encode())

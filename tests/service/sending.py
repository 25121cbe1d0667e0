"""Requests as clients make them, and as nobody should."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field

from proxy.service.body import Body

FORM = "multipart/form-data; boundary="


@dataclass
class Trickle:
    """An input that gives at most `step` bytes at once, as a socket does."""

    content: bytes
    step: int = 1 << 20
    asked: list[int] = field(default_factory=list)

    def read(self, size: int) -> bytes:
        self.asked.append(size)
        size = min(size, self.step)
        piece, self.content = self.content[:size], self.content[size:]
        return piece


def body_of(content: bytes, step: int = 1 << 20, *, length: int | None = -1, most: int = 1 << 30) -> Body:
    said = len(content) if length == -1 else length
    return Body(Trickle(content, step), said, most)


def form(
    files: Iterable[bytes], name: str = "files", boundary: str = "", filename: str = "x.dcm"
) -> tuple[bytes, str]:
    """A body and its Content-Type."""
    boundary = boundary or f"b{secrets.token_hex(12)}"
    head = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"\r\nContent-Type: application/dicom'
    parts = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + one + b"\r\n" for one in files]
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), FORM + boundary

"""multipart/related, written part by part (RFC 2387, PS3.18 8.6.1.2)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from secrets import token_hex


@dataclass(frozen=True, slots=True)
class Multipart:
    """`inner`: the media type of its parts. How long it is can be said beforehand, if its parts can."""

    inner: str
    boundary: str = field(default_factory=lambda: f"postern-{token_hex(16)}")

    @property
    def content_type(self) -> str:
        return f'multipart/related; type="{self.inner}"; boundary={self.boundary}'

    def head(self, media: str, location: str = "", *, first: bool) -> bytes:
        """What stands before a part."""
        where = f"Content-Location: {location}\r\n" if location else ""
        before = "" if first else "\r\n"
        return f"{before}--{self.boundary}\r\nContent-Type: {media}\r\n{where}\r\n".encode("ascii", "replace")

    @property
    def end(self) -> bytes:
        return f"\r\n--{self.boundary}--\r\n".encode("ascii")

    def length(self, parts: Iterable[tuple[str, int, int]]) -> int:
        """Of (media type, how many parts are of it, bytes of all of them); at least one part."""
        said = list(parts)
        heads = sum(count * len(self.head(media, first=False)) for media, count, _ in said)
        return heads - len(b"\r\n") + sum(size for *_, size in said) + len(self.end)

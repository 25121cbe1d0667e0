"""What a file is read from: pieces that come once, with a look at the first ones before anybody reads them."""

from dataclasses import dataclass, field
from typing import Protocol

from proxy.service.troubles import TooMuch

Bytes = bytes | memoryview


class Readable(Protocol):
    def read(self, size: int, /) -> Bytes: ...


@dataclass(slots=True)
class Source:
    """`peek` leaves what it looks at; `put_back` gives back what was read too far."""

    origin: Readable
    _ahead: bytes = field(default=b"", init=False)

    def read(self, size: int) -> Bytes:
        if not self._ahead:
            return self.origin.read(size)
        piece, self._ahead = self._ahead[:size], self._ahead[size:]
        return piece

    def peek(self, size: int) -> bytes:
        """Fewer only at the end."""
        while len(self._ahead) < size and (piece := self.origin.read(size - len(self._ahead))):
            self._ahead += piece
        return self._ahead[:size]

    def put_back(self, piece: Bytes) -> None:
        self._ahead = bytes(piece) + self._ahead

    def exactly(self, size: int) -> bytes:
        """Raises EOFError."""
        found = self.peek(size)
        if len(found) < size:
            raise EOFError
        self.read(size)
        return found


@dataclass(slots=True)
class Room:
    """What may come out of archives, all told: bytes, and members. Raises TooMuch."""

    bytes_left: int
    members_left: int

    def take(self, size: int) -> None:
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise TooMuch("too-large", "Unpacked, the files are larger than a request may be.")

    def another(self) -> None:
        self.members_left -= 1
        if self.members_left < 0:
            raise TooMuch("too-many", "The request holds more files than it may.")


@dataclass(slots=True)
class Counted:
    """Bytes that come out of a packing; each is taken from the room before anybody sees it."""

    origin: Readable
    room: Room

    def read(self, size: int) -> bytes:
        piece = bytes(self.origin.read(size))
        self.room.take(len(piece))
        return piece

"""The body of a request, as far as it has come: counted, bounded, and whole or refused.

Nothing here believes a length that was said: it is compared with what came, and what came with what may come.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Protocol

from proxy.service.troubles import Malformed, TooMuch, TooSlow

PIECE: Final = 1 << 20
CUT: Final = "The body ended before it was whole."
SLOW: Final = "The body came too slowly; send it over a faster line, or in smaller requests."


class Input(Protocol):
    """As WSGI gives it."""

    def read(self, size: int, /) -> bytes: ...


def too_large(most: int) -> TooMuch:
    return TooMuch("too-large", f"The request's body is larger than {most} bytes.")


class Late(Protocol):
    def __call__(self) -> bool: ...


class Beat(Protocol):
    def __call__(self, size: int, /) -> None: ...


def on_time() -> bool:
    """For a body that nobody waits for."""
    return False


@dataclass(slots=True)
class Body:
    """`length` as it was said; None for one that comes in chunks. `is_late`: whether its time has run out; of it counts
    what passes in `waiting`."""

    stream: Input
    length: int | None
    most: int
    is_late: Late = on_time
    waiting: Callable[[], AbstractContextManager[object]] = nullcontext
    beat: Beat | None = None  # is told after each piece how much has come
    size: int = field(default=0, init=False)

    def read(self, size: int) -> bytes:
        """Raises TooMuch, TooSlow, and Malformed for a body that is cut."""
        wanted = min(size, PIECE) if self.length is None else min(size, PIECE, self.length - self.size)
        if not wanted:
            return b""
        piece = self._asked(wanted)
        self.size += len(piece)
        if self.size > self.most:
            raise too_large(self.most)
        if self.is_late():
            raise TooSlow("too-slow", SLOW)
        if self.beat is not None:
            self.beat(self.size)
        if not piece and self.length is not None:
            raise Malformed("cut", CUT)
        return piece

    def _asked(self, wanted: int) -> bytes:
        """What a server says of a connection that is gone has many names."""
        try:
            with self.waiting():
                return self.stream.read(wanted)
        except TimeoutError:
            raise TooSlow("too-slow", SLOW) from None
        except Exception as error:
            if self.is_late():
                raise TooSlow("too-slow", SLOW) from None
            raise Malformed("cut", CUT) from error

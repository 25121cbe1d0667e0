"""Take a multipart body apart while it comes (RFC 2046 5.1): pieces in, parts out, and no input or output of its own.

It holds back no more than a boundary could be long, or a part's headers. It is strict, because a body that two readers
take apart differently is a way past one of them: lines end in CRLF, and whatever begins like a boundary is one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

LONGEST_PREAMBLE: Final = 64 << 10  # bytes
LONGEST_HEADERS: Final = 16 << 10
LONGEST_PADDING: Final = 128
LINE: Final = b"\r\n"
BLANK: Final = b"\r\n\r\n"


class Malformed(Exception):
    """The sender's fault; a sentence without a word of what was sent."""


@dataclass(frozen=True, slots=True)
class Begins:
    """Of a part; names of headers in lower case."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """Of a part's content."""

    view: memoryview


@dataclass(frozen=True, slots=True)
class Ends:
    pass


Event = Begins | Piece | Ends
Step = tuple[int, list[Event], bool]  # where to go on, what was found, and whether more is needed first


class Multipart:
    def __init__(self, boundary: str) -> None:
        self._mark = f"\r\n--{boundary}".encode("ascii")
        self._rest = LINE  # the first boundary may stand at the very beginning
        self._step: Callable[[bytes, int], Step] = self._preamble
        self._seen = 0
        self.is_over = False

    def feed(self, data: bytes) -> Iterator[Event]:
        buffer, place, wants = self._rest + data, 0, False
        while not (wants or self.is_over):
            place, events, wants = self._step(buffer, place)
            yield from events
        self._rest = b"" if self.is_over else buffer[place:]

    def finish(self) -> None:
        """Nothing more comes. Raises Malformed if something should."""
        if not self.is_over:
            raise Malformed("The body ends before its last boundary.")

    # --- steps --------------------------------------------------------------------------------

    def _preamble(self, buffer: bytes, place: int) -> Step:
        found = buffer.find(self._mark, place)
        if found < 0:
            self._seen += len(buffer) - place
            if self._seen > LONGEST_PREAMBLE:
                raise Malformed("The boundary that Content-Type says is not in the body.")
            return self._held_back(buffer, place), [], True
        self._step = self._after_mark
        return found + len(self._mark), [], False

    def _after_mark(self, buffer: bytes, place: int) -> Step:
        if len(buffer) < place + 2:
            return place, [], True
        if buffer.startswith(b"--", place):
            self.is_over = True
            return place, [], False
        end = buffer.find(LINE, place, place + LONGEST_PADDING)
        if end < 0 and len(buffer) < place + LONGEST_PADDING:
            return place, [], True
        if end < 0 or buffer[place:end].strip(b" \t"):
            raise Malformed("A boundary is followed by something else than the end of its line.")
        self._step = self._headers
        return end, [], False

    def _headers(self, buffer: bytes, place: int) -> Step:
        """From the end of the boundary's line, so that a part without headers has its blank line, too."""
        blank, mark = buffer.find(BLANK, place), buffer.find(self._mark, place)
        ends = [one for one in (blank, mark) if one >= 0] or [len(buffer)]
        if min(ends) - place > LONGEST_HEADERS:
            raise Malformed("The headers of a part are too long.")
        if mark >= 0 and (
            blank < 0 or mark <= blank + len(LINE)
        ):  # no content at all; it shares a line's end
            self._step = self._after_mark
            return mark + len(self._mark), [Begins(_headers(buffer[place + 2 : mark])), Ends()], False
        if blank < 0 or self._mark.startswith(buffer[blank + len(LINE) :]):
            return place, [], True
        self._step = self._content
        return blank + len(BLANK), [Begins(_headers(buffer[place + 2 : blank]))], False

    def _content(self, buffer: bytes, place: int) -> Step:
        found = buffer.find(self._mark, place)
        end = found if found >= 0 else self._held_back(buffer, place)
        pieces: list[Event] = [Piece(memoryview(buffer)[place:end])] if end > place else []
        if found < 0:
            return end, pieces, True
        self._step = self._after_mark
        return found + len(self._mark), [*pieces, Ends()], False

    def _held_back(self, buffer: bytes, place: int) -> int:
        """From where on a boundary may have begun that is not here as a whole."""
        return max(place, len(buffer) - len(self._mark) + 1)


def _headers(block: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in block.split(LINE):
        name, colon, value = line.decode("latin-1").partition(":")
        if not line:
            continue
        if not colon or name != name.strip() or not name:
            raise Malformed("A part has a header that is none.")
        found[name.lower()] = value.strip()
    return found

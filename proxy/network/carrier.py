"""Images over an association that stands, whoever asked for it: as the user of C-STORE, one after the other.

A file is read into one window, and the window leaves in one `sendmsg` that weaves a header before each fragment: no
byte is copied here, and the peer is woken once instead of once per PDU, which is why this beats `sendfile`. While the
peer writes what it got, the next file is read into a second window (docs/performance.md has the figures).

Two habits of TCP cost 40 ms an image each if left alone: small segments before large ones (TCP_NODELAY,
and the command leaves with the beginning of its data set), and a peer with Nagle on, which waits for our
acknowledgement before it sends the end of its answer (TCP_QUICKACK, said again before every wait).
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from proxy.network import messages
from proxy.network.messages import COMMAND, LAST, Command, Mover
from proxy.network.part10 import NotPart10
from proxy.network.peer import Lost
from proxy.network.quirks import pdu_limit
from proxy.network.reactor import Association
from proxy.network.reading import WINDOW, Reading, Shorter, window

LONGEST_PDU = 256 * 1024  # a peer without a limit gets this much at a time
SMALL = 64 * 1024
LOST = "The association was lost while an image was on its way: it is sent again."
SILENT = "The peer gave no answer in time: the image is sent again."

Piece = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Named:
    """What a C-STORE request says of the image that follows it."""

    context_id: int
    sop_class: str
    sop_instance: str
    mover: Mover | None = None


class Carrier:
    """Every store returns the status, or raises Lost. Who reads the association's messages hands on what it hears."""

    def __init__(
        self, association: Association, longest: int, patience: float, quirks: frozenset[str]
    ) -> None:
        self._assoc, self._patience = association, patience
        self._fragment = max(min(pdu_limit(longest or LONGEST_PDU, quirks), LONGEST_PDU) - 6, 2)
        self._message_id = 0
        self._answer: Command | None = None
        self._waiting: list[Piece] = []
        self.midway = False  # an image has begun and has no answer
        self._windows = cycle([window(), window()])
        self._ahead: Reading | None = None

    def heard(self, command: Command) -> None:
        """A C-STORE-RSP has come."""
        self._answer = command

    def store_file(self, named: Named, path: Path, ahead: Path | None = None) -> int:
        """The data set of a Part 10 file as it is. Raises OSError before anything is sent.

        While the peer makes up its answer, the beginning of the file that comes next (`ahead`) is read.
        """
        with self._reading(path) as reading:
            self._begin(named)
            try:
                for piece, ends in reading.pieces():
                    self._say(self._framed(named.context_id, piece, ends))
            except Shorter:
                raise Lost("A file became shorter while it was sent: its image is sent again.") from None
        if ahead is not None:
            self._read_ahead(ahead)
        return self._await_answer()

    def store_pieces(
        self, named: Named, pieces: Iterable[Piece], meanwhile: Callable[[], None] | None = None
    ) -> int:
        """A data set that is being made, or a list of all of it. What stops it midway, stops the association: raise it.

        `meanwhile` is done while the peer makes up its answer; the pieces are not needed any more then.
        """
        self._begin(named)
        whole = [(list(_gathered(pieces)), True)] if isinstance(pieces, list) else None
        for together, ends in whole or _with_end(_windows_full(_gathered(pieces))):
            framed: list[Piece] = []
            for number, piece in enumerate(together, 1):
                last = ends and number == len(together)
                framed += self._framed(named.context_id, memoryview(piece), last)
            self._say(framed)
        if meanwhile is not None:
            meanwhile()
        return self._await_answer()

    def _reading(self, path: Path) -> Reading:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.path == path:
            return ahead
        if ahead is not None:
            ahead.close()
        return Reading(path, next(self._windows))

    def _read_ahead(self, path: Path) -> None:
        with suppress(OSError, NotPart10):  # it is tried again, and told of, when its turn comes
            self._ahead = Reading(path, next(self._windows))

    def _begin(self, named: Named) -> None:
        self._message_id = self._message_id % 0xFFFF + 1
        self._answer, self.midway = None, True
        command = messages.store_request(named.sop_class, named.sop_instance, self._message_id, named.mover)
        self._say(list(messages.fragments(named.context_id, COMMAND, command, self._fragment + 6)))

    def _framed(self, context_id: int, data: memoryview, ends: bool) -> list[Piece]:
        """Headers and fragments in turn, none of them copied."""
        full = messages.header(context_id, 0, self._fragment)
        pieces: list[Piece] = []
        for start in range(0, len(data), self._fragment):
            fragment = data[start : start + self._fragment]
            last = LAST if ends and start + self._fragment >= len(data) else 0
            whole = not last and len(fragment) == self._fragment
            pieces += (full if whole else messages.header(context_id, last, len(fragment)), fragment)
        return pieces

    def _say(self, pieces: list[Piece]) -> None:
        """The command waits for the first of its data set, so that both leave in one segment."""
        waiting, self._waiting = self._waiting, []
        if not waiting and len(pieces) == 1:
            self._waiting = pieces
        elif not self._assoc.dul.socket.write_all([*waiting, *pieces]):
            raise Lost(LOST)

    def _await_answer(self) -> int:
        deadline = time.monotonic() + self._patience
        dul = self._assoc.dul
        while self._answer is None and not dul.over and dul.state == "Sta6":
            if time.monotonic() > deadline:
                self._assoc.abort()
                raise Lost(SILENT)
            dul.pump(deadline)
        status = self._answer.number(messages.STATUS) if self._answer is not None else None
        if status is None:
            raise Lost(LOST)
        self.midway = False
        return status

    def abort(self) -> None:
        """An image cannot be brought to its end: nobody may take the half of it for a whole."""
        self._assoc.abort()

    def close(self) -> None:
        """Let go of file and windows; the association is somebody else's."""
        if self._ahead is not None:
            self._ahead.close()
        self._windows = cycle([memoryview(b"")])


def _gathered(pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Small ones together: what was put together of many would wake the peer for each."""
    small = bytearray()
    for piece in pieces:
        if len(small) + len(piece) < SMALL:
            small += piece
            continue
        if small:
            yield bytes(small)
            small.clear()
        yield piece
    if small:
        yield bytes(small)


def _windows_full(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """So many together that they leave in one go."""
    together: list[Piece] = []
    size = 0
    for piece in pieces:
        together.append(piece)
        size += len(piece)
        if size >= WINDOW:
            yield together
            together, size = [], 0
    if together:
        yield together


def _with_end(groups: Iterable[list[Piece]]) -> Iterator[tuple[list[Piece], bool]]:
    """Each with whether it is the last: so nothing is complete before whoever makes them has ended well."""
    before: list[Piece] | None = None
    for group in groups:
        if before is not None:
            yield before, False
        before = group
    if before is not None:
        yield before, True

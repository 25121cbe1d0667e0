"""An association we asked for, to store images over.

Negotiation, release and abort are pynetdicom's, driven by our reactor. A file is read into one window, and the
window leaves in one `sendmsg` that weaves a header before each fragment: no byte is copied here, and the peer is
woken once instead of once per PDU, which is why this beats `sendfile`. While the peer writes what it got, the next
file is read into a second window (docs/performance.md has the figures).

Two habits of TCP cost 40 ms an image each if left alone: small segments before large ones (TCP_NODELAY,
and the command leaves with the beginning of its data set), and a peer with Nagle on, which waits for our
acknowledgement before it sends the end of its answer (TCP_QUICKACK, said again before every wait).
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

from proxy.network import messages
from proxy.network.inbox import Gathered
from proxy.network.messages import COMMAND, LAST, Command
from proxy.network.opening import Lost, Peer, opened
from proxy.network.part10 import NotPart10
from proxy.network.quiet import hush
from proxy.network.quirks import ABORT_ON_CANCEL, pdu_limit
from proxy.network.reading import Reading, Shorter, window

hush()

LONGEST_PDU = 256 * 1024  # a peer without a limit gets this much at a time
LOST = "The association was lost while an image was on its way: it is sent again."
SILENT = "The peer gave no answer in time: the image is sent again."


Piece = bytes | memoryview


class Line:
    """Raises Lost when the peer does not take the association, and whenever it is lost later."""

    def __init__(self, peer: Peer, contexts: Sequence[Any]) -> None:
        self._peer = peer
        self._message_id = 0
        self._answer: Command | None = None
        self._waiting: list[Piece] = []
        self._midway = False  # an image has begun and has no answer
        self._assoc = opened(peer, contexts, self._open_message)
        self.accepted = {
            (str(one.abstract_syntax), str(one.transfer_syntax[0])): int(one.context_id)
            for one in self._assoc.accepted_contexts
        }
        most = pdu_limit(int(self._assoc.acceptor.maximum_length or LONGEST_PDU), peer.quirks)
        self._fragment = max(min(most, LONGEST_PDU) - 6, 2)
        self._windows = cycle([window(), window()])
        self._ahead: Reading | None = None

    def _open_message(self, context_id: int, encoded: bytes, command: Command) -> Gathered | None:
        if command.number(messages.COMMAND_FIELD) == messages.C_STORE_RSP:
            self._answer = command
            return None
        return self._assoc.gather(context_id, encoded, command)

    def echo(self) -> int:
        answer = self._assoc.send_c_echo() if self._assoc.is_established else None
        if answer is None or "Status" not in answer:
            raise Lost("The peer accepted the association but did not answer the echo.")
        return int(answer.Status)

    def store_file(
        self, context_id: int, sop_class: str, sop_instance: str, path: Path, ahead: Path | None = None
    ) -> int:
        """The data set of a Part 10 file as it is. Returns the status. Raises OSError before anything is sent.

        While the peer makes up its answer, the beginning of the file that comes next (`ahead`) is read.
        """
        with self._reading(path) as reading:
            self._say(self._request(context_id, sop_class, sop_instance))
            try:
                for piece, ends in reading.pieces():
                    self._say(self._framed(context_id, piece, ends))
            except Shorter:
                raise Lost("A file became shorter while it was sent: its image is sent again.") from None
        if ahead is not None:
            self._read_ahead(ahead)
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

    def store_bytes(self, context_id: int, sop_class: str, sop_instance: str, data: bytes) -> int:
        self._say(self._request(context_id, sop_class, sop_instance))
        self._say(self._framed(context_id, memoryview(data), ends=True))
        return self._await_answer()

    def _request(self, context_id: int, sop_class: str, sop_instance: str) -> list[Piece]:
        self._message_id = self._message_id % 0xFFFF + 1
        self._answer, self._midway = None, True
        command = messages.store_request(sop_class, sop_instance, self._message_id)
        return list(messages.fragments(context_id, COMMAND, command, self._fragment + 6))

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
        deadline = time.monotonic() + self._peer.dimse_timeout
        dul = self._assoc.dul
        while self._answer is None and not dul.over and dul.state == "Sta6":
            if time.monotonic() > deadline:
                self._assoc.abort()
                raise Lost(SILENT)
            dul.pump(deadline)
        status = self._answer.number(messages.STATUS) if self._answer is not None else None
        if status is None:
            raise Lost(LOST)
        self._midway = False
        return status

    def close(self, *, early: bool = False) -> None:
        """Release if that can be done in order, else abort; nothing stays open."""
        rude = self._midway or (early and ABORT_ON_CANCEL in self._peer.quirks)
        try:
            if self._assoc.is_established and not self._assoc.dul.over:
                self._assoc.abort() if rude else self._assoc.release()
        finally:
            if self._ahead is not None:
                self._ahead.close()
            self._assoc.kill()
            self._assoc.dul.dispose()
            self._windows = cycle([memoryview(b"")])

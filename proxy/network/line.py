"""An association we asked for, to store images over. Negotiation, release and abort are pynetdicom's, driven by our
reactor; what goes over it is the carrier's.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from proxy.network import messages
from proxy.network.carrier import Carrier, Named, Piece
from proxy.network.inbox import Gathered
from proxy.network.messages import Command, Mover
from proxy.network.opening import opened
from proxy.network.peer import Lost, Peer
from proxy.network.quiet import hush
from proxy.network.quirks import ABORT_ON_CANCEL

hush()


class Line:
    """Raises Lost when the peer does not take the association, and whenever it is lost later."""

    def __init__(self, peer: Peer, contexts: Sequence[Any], mover: Mover | None = None) -> None:
        self._peer, self._mover = peer, mover
        self._carrier: Carrier | None = None
        self._assoc = opened(peer, contexts, self._open_message)
        self.accepted = {
            (str(one.abstract_syntax), str(one.transfer_syntax[0])): int(one.context_id)
            for one in self._assoc.accepted_contexts
        }
        longest = int(self._assoc.acceptor.maximum_length or 0)
        self._carrier = Carrier(self._assoc, longest, peer.dimse_timeout, peer.quirks)

    def _open_message(self, context_id: int, encoded: bytes, command: Command) -> Gathered | None:
        if self._carrier is None:
            raise messages.Malformed("a message comes before anything was asked")
        if command.number(messages.COMMAND_FIELD) == messages.C_STORE_RSP:
            self._carrier.heard(command)
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
        """The data set of a Part 10 file as it is. Returns the status. Raises OSError before anything is sent."""
        return self.carrier.store_file(self._named(context_id, sop_class, sop_instance), path, ahead)

    def store_bytes(self, context_id: int, sop_class: str, sop_instance: str, data: bytes) -> int:
        return self.store_pieces(context_id, sop_class, sop_instance, [data])

    def store_pieces(
        self, context_id: int, sop_class: str, sop_instance: str, pieces: Iterable[Piece]
    ) -> int:
        """What raises in the middle leaves the line midway: nothing more can go over it."""
        return self.carrier.store_pieces(self._named(context_id, sop_class, sop_instance), pieces)

    @property
    def carrier(self) -> Carrier:
        if self._carrier is None:
            raise Lost("The association is not open yet.")
        return self._carrier

    def _named(self, context_id: int, sop_class: str, sop_instance: str) -> Named:
        return Named(context_id, sop_class, sop_instance, self._mover)

    def close(self, *, early: bool = False) -> None:
        """Release if that can be done in order, else abort; nothing stays open."""
        rude = self.carrier.midway or (early and ABORT_ON_CANCEL in self._peer.quirks)
        try:
            if self._assoc.is_established and not self._assoc.dul.over:
                self._assoc.abort() if rude else self._assoc.release()
        finally:
            self.carrier.close()
            self._assoc.kill()
            self._assoc.dul.dispose()

"""An association that waits for events instead of sleeping: one thread, one `poll`, no queues in between.

What pynetdicom does. It runs two threads for each association, which look for work every millisecond and hand
it to each other through queues. That is easy to reason about and costs a third of a core for twenty idle
associations, and most of the time between the last byte of an image and its answer.

What is ours. `Association` is a subclass that reads its socket on its own thread. It waits in `poll` for bytes,
for another thread's wake-up, or for the next timer, whichever comes first; so an idle association costs nothing.
Bytes are received into one buffer of a fixed size, cut into PDUs (`pdus.py`) and fed to the sink as they come
(`inbox.py`): an image of any size costs that buffer. In the established state a C-STORE is answered from here.

What stays pynetdicom's. The upper layer's state machine with its table of PS3.8 9.2, the timers, building and
decoding of every PDU that is not P-DATA, negotiation (but of contexts: `negotiating.py`), release, abort, and all
other services. The state machine
is not run by a thread of its own: `Provider.settle` hands it its events at the moment they occur. Whoever in
pynetdicom puts a primitive into the provider's queue (`send_pdu`) therefore finds it sent on return, and whoever
waits for an answer (`receive_pdu`, `get_msg`) pumps the socket while it waits. A call from a foreign thread is
queued and the owner woken, so a socket has one reader and one writer at any time.

What is left alone. In state 13, when all that remains is for the peer to hang up, incoming bytes are discarded
without being parsed, for at most `LINGER` seconds; PS3.8 would answer a new request there with another abort.

What may break. pynetdicom's insides that we lean on are listed in `tests/network/test_leaning.py`, which fails
when a new version changes one of them.
"""

import logging
import queue
import threading
import time
from collections import deque
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association as PlainAssociation
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import InvalidEventError
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import P_DATA

from proxy.network import messages, negotiating
from proxy.network.inbox import Gathered, Inbox, place
from proxy.network.messages import COMMAND, LAST, Command, Malformed
from proxy.network.negotiating import Answer, Proposal
from proxy.network.pdus import Pdus
from proxy.network.sparing import Sparing
from proxy.network.wire import CLOSED, Wire

logger = logging.getLogger(__name__)
sparing = Sparing(logger)

LINGER = 1.0
ESTABLISHED, RELEASING, CLOSING, IDLE = "Sta6", "Sta7", "Sta13", "Sta1"
CLOSED_BY_PEER, TIMER_EXPIRED, INVALID = "Evt17", "Evt18", "Evt19"
REQUEST = 1  # the type of an A-ASSOCIATE-RQ PDU
PROGRESS = 64 * 1024  # so many bytes count as a sign of life even if their PDU is not complete


class Provider(DULServiceProvider):  # type: ignore[misc]
    """The upper layer without its thread. It belongs to the thread that started it."""

    socket: Wire
    proposals: tuple[Proposal, ...] = ()
    answers: tuple[Answer, ...] = ()

    def __init__(self, association: "Association", longest_data: int) -> None:
        super().__init__(association)
        self._owner = 0
        self._progress = 0
        self._pdus = Pdus(self, longest_data)

    @property
    def state(self) -> str:
        return str(self.state_machine.current_state)

    @property
    def over(self) -> bool:
        return bool(self._kill_thread)

    def start(self) -> None:
        """Instead of starting a thread: take hold of this one."""
        self._owner = threading.get_ident()
        self._idle_timer.start()
        self.assoc._dul_ready.set()
        self.settle()

    def send_pdu(self, primitive: Any) -> None:
        if self.over or self.state == CLOSING:
            return
        super().send_pdu(primitive)
        if threading.get_ident() != self._owner:
            self.socket.wake()
            return
        self.settle()
        if isinstance(primitive, P_DATA):
            self._read()  # a service that sends many answers must notice a C-CANCEL between them

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> Any:
        deadline = None if timeout is None else time.monotonic() + timeout
        while wait and not self.over and self.to_user_queue.empty() and not _past(deadline):
            self.pump(deadline)
        return super().receive_pdu(wait=False)

    def dispose(self) -> None:
        """All is over. pynetdicom's objects refer to each other in a circle, and buffers must not wait for whoever
        collects circles."""
        self.socket.dispose()
        self._pdus.dispose()

    def settle(self) -> None:
        """Let the state machine act on every event there is, and on every primitive that waits to be sent."""
        while not self.over:
            try:
                event = self.event_queue.get_nowait()
            except queue.Empty:
                if not self._process_recv_primitive():
                    return
                continue
            self._act(event)

    def _act(self, event: str) -> None:
        try:
            self.state_machine.do_action(event)
        except InvalidEventError:
            self._forget_primitive()
        except Exception as error:
            logger.error("An association is dropped: %s.", place(error))
            self.kill_dul()

    def _forget_primitive(self) -> None:
        """What cannot be sent any more (an answer after an abort) must not be tried for ever."""
        with self.to_provider_queue.mutex:
            self.to_provider_queue.queue.clear()

    def pump(self, deadline: float | None) -> None:
        """Read what there is; if there is nothing, wait once until something happens or the deadline passes."""
        self.settle()
        if self.over or self._read():
            return
        self.socket.wait(self._soonest(deadline))
        if self.artim_timer.expired:
            self.event_queue.put(TIMER_EXPIRED)
        self.settle()

    def look(self) -> None:
        """Read what there is, without waiting: `pump` would wait for the shortest time a clock knows."""
        self.settle()
        while not self.over and self._read():
            pass

    def _soonest(self, deadline: float | None) -> float | None:
        if self.state not in ("Sta2", CLOSING) or self.artim_timer.timeout is None:
            return deadline
        expires: float = time.monotonic() + max(self.artim_timer.remaining, 0.0) + 0.001
        return expires if deadline is None else min(deadline, expires)

    def _read(self) -> bool:
        count = self.socket.read_into(self._pdus.room())
        if count is None:
            return False
        if count == CLOSED:
            self.event_queue.put(CLOSED_BY_PEER)
        elif self.state != CLOSING:
            self._understand(count)
        self.settle()
        return True

    def _understand(self, count: int) -> None:
        self._progress += count
        if self._progress >= PROGRESS:
            self.boundary()
        try:
            self._pdus.took(count)
        except Malformed as malformed:
            sparing.warn(f"An association from {self.assoc.peer_address} is aborted: {malformed}.")
            self.event_queue.put(INVALID)

    # What the stream of PDUs tells us.
    def boundary(self) -> None:
        self._progress = 0
        self._idle_timer.restart()

    def fragment(self, context_id: int, control: int, view: memoryview, ends: bool) -> None:
        if self.state == ESTABLISHED:
            self.assoc.inbox.fragment(context_id, control, view, ends)
        elif self.state != RELEASING:  # after our release request, data is ignored (PS3.8 7.2.2)
            raise Malformed("data comes while no association is established")

    def control(self, pdu: bytes) -> None:
        self.boundary()
        try:
            if pdu[0] == REQUEST:
                self.proposals, pdu = negotiating.taken_out(pdu)
            decoded, event = self._decode_pdu(bytearray(pdu))
        except Malformed:
            raise
        except Exception:
            raise Malformed("a PDU cannot be decoded") from None
        self._recv_pdu.put(decoded)
        self.event_queue.put(event)
        self.settle()

    def _send(self, pdu: Any) -> None:
        if isinstance(pdu, A_ASSOCIATE_AC):
            pdu.variable_items.insert(1, negotiating.Items(self.answers))
        super()._send(pdu)

    def linger(self) -> None:
        """Give the peer a moment to read our last words and hang up; then close."""
        deadline = time.monotonic() + LINGER
        while self.state == CLOSING and not self.over and not _past(deadline):
            self.pump(deadline)
        if self.state == CLOSING and not self.over:
            self.socket.close()
            self.settle()


class Messages(DIMSEServiceProvider):  # type: ignore[misc]
    """pynetdicom's messages; whoever waits for one pumps the socket meanwhile."""

    def get_msg(self, block: bool = False) -> Any:
        timeout = self.dimse_timeout
        deadline = None if timeout is None else time.monotonic() + timeout
        while block and self.msg_queue.empty() and not self.dul.over and not _past(deadline):
            self.dul.pump(deadline)
        return super().get_msg(block=False)


class Association(PlainAssociation):  # type: ignore[misc]
    dul: Provider

    def __init__(self, ae: Any, mode: str) -> None:
        super().__init__(ae, mode)
        self.dul = Provider(self, ae.maximum_pdu_size)
        self.dimse = Messages(self)
        self.acse_timeout, self.network_timeout = ae.acse_timeout, ae.network_timeout
        self.inbox = Inbox(lambda context_id, command, parsed: None)
        self._is_paused = True  # nobody else reads this association's messages
        self._abort_asked = False
        self._aside: deque[tuple[Any, int]] = deque()  # requests that came while an answer was waited for

    @property
    def peer_address(self) -> str:
        peer = self.requestor if self.is_acceptor else self.acceptor
        return str(peer.address_info.address)

    def ask_abort(self) -> None:
        """From any thread: abort as soon as the association's own thread looks around."""
        self._abort_asked = True
        self.dul.socket.wake()

    def kill(self) -> None:
        super().kill()
        if threading.get_ident() == self.dul._owner:
            self.dul.linger()

    def respond(self, context_id: int, command: bytes) -> None:
        """Send a command without data set, in as many PDUs as the peer wants."""
        for pdu in messages.fragments(context_id, COMMAND, command, self.dimse.maximum_pdu_size):
            self.dul.socket.send(pdu)

    def pass_on(self, context_id: int, command: bytes, data: bytes | None) -> None:
        """Hand a complete message to pynetdicom's services."""
        values = [(context_id, bytes([COMMAND | LAST]) + command)]
        if data is not None:
            values.append((context_id, bytes([LAST]) + data))
        primitive = P_DATA()
        primitive.presentation_data_value_list = [list(value) for value in values]
        try:
            self.dimse.receive_primitive(primitive)
        except Exception:
            raise Malformed("a message cannot be decoded") from None

    def gather(self, context_id: int, encoded: bytes, command: Command) -> Gathered | None:
        """Where a message goes that is for pynetdicom's services."""
        if command.has_data_set:
            return Gathered(context_id, encoded, self.pass_on)
        self.pass_on(context_id, encoded, None)
        return None

    def _run_reactor(self) -> None:
        while self.serve(self._next_look()):
            pass
        self.kill()

    def serve(self, deadline: float | None) -> bool:
        """Read what there is, or wait for it until then, and serve it. False: the association is over."""
        if self._kill or self.dul.over:
            return False
        self.dul.pump(deadline)
        self._serve_waiting()
        return not self._ended()

    def _next_look(self) -> float | None:
        timer = self.dul._idle_timer
        return None if timer.timeout is None else time.monotonic() + max(float(timer.remaining), 0.0) + 0.001

    def _serve_waiting(self) -> None:
        while not self._kill and self._aside:
            self._serve_request(*self._aside.popleft())
        while not self._kill and not self.dimse.msg_queue.empty():
            context_id, message = self.dimse.get_msg()
            if message is not None:
                self._serve_request(message, context_id)

    def _serve_request(self, msg: Any, context_id: int) -> None:
        """pynetdicom serves an N-EVENT-REPORT on a thread it starts for it; here it waits for its own."""
        if threading.get_ident() != self.dul._owner:
            self._aside.append((msg, context_id))
            self.dul.socket.wake()
            return
        super()._serve_request(msg, context_id)
        self._is_paused = True

    def _ended(self) -> bool:
        if self._abort_asked:
            self.abort()
        elif self.acse.is_release_requested():
            self._answer_release()
        elif self.acse.is_aborted():
            self._note_abort()
        elif self.dul.idle_timer_expired():
            sparing.warn(f"The association from {self.peer_address} was silent for too long: aborted.")
            self.abort()
        return not self.is_established

    def _answer_release(self) -> None:
        self.acse.send_release(is_response=True)
        self.is_released, self.is_established = True, False
        evt.trigger(self, evt.EVT_RELEASED, {})

    def _note_abort(self) -> None:
        self.dul.receive_pdu(wait=False)
        self.is_aborted, self.is_established = True, False
        evt.trigger(self, evt.EVT_ABORTED, {})


def _past(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline

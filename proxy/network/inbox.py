"""Fragments become messages here. A C-STORE goes to its sink while it arrives; everything else is gathered.

A sink that fails costs its own image only: what is still on its way is read and thrown away, the sender hears
0x0110, and the log names the kind of error and its place, never its message, which may quote the image.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from proxy.network import messages, statuses
from proxy.network.door import Caller, Door, Reply, Sink, StoreCommand
from proxy.network.messages import COMMAND, LAST, Command, Malformed
from proxy.network.quirks import NO_CLASS

logger = logging.getLogger(__name__)

LONGEST_COMMAND = 64 * 1024
LONGEST_OTHER = 64 * 1024 * 1024  # an identifier, or a commitment request with many instances

Contexts = Mapping[int, tuple[str, str]]
"""What was negotiated: context id to SOP class and transfer syntax."""


class Respond(Protocol):
    def __call__(self, context_id: int, command: bytes) -> None: ...


class PassOn(Protocol):
    def __call__(self, context_id: int, command: bytes, data: bytes | None) -> None: ...


class _Receiving(Protocol):
    def feed(self, view: memoryview) -> None: ...
    def finish(self) -> None: ...
    def abort(self) -> None: ...


class Inbox:
    """Assembles the messages of one association. Raises Malformed when the peer breaks the rules of PS3.8 E."""

    def __init__(self, open_message: "Callable[[int, bytes, Command], _Receiving | None]") -> None:
        self._open_message = open_message
        self._command = bytearray()
        self._context_id = 0
        self._receiving: _Receiving | None = None

    @property
    def idle(self) -> bool:
        return self._receiving is None and not self._command

    def fragment(self, context_id: int, control: int, view: memoryview, ends: bool) -> None:
        last = ends and bool(control & LAST)
        if control & COMMAND:
            self._command_fragment(context_id, view, last)
        else:
            self._data_fragment(context_id, view, last)

    def _command_fragment(self, context_id: int, view: memoryview, last: bool) -> None:
        if self._receiving is not None or len(self._command) + len(view) > LONGEST_COMMAND:
            raise Malformed("a command comes in the middle of a data set, or is too long")
        self._command += view
        if last:
            encoded = bytes(self._command)
            self._command.clear()
            command = messages.parse_command(encoded)
            if command.number(messages.DATA_SET_TYPE) is None:
                raise Malformed("a command does not say whether a data set follows")
            self._context_id = context_id
            self._receiving = self._open_message(context_id, encoded, command)

    def _data_fragment(self, context_id: int, view: memoryview, last: bool) -> None:
        receiving = self._receiving
        if receiving is None or context_id != self._context_id:
            raise Malformed("a data set comes without a command, or in another context than its command")
        receiving.feed(view)
        if last:
            self._receiving = None
            receiving.finish()

    def drop(self) -> None:
        """The association is over: what was not complete leaves nothing behind."""
        receiving, self._receiving = self._receiving, None
        if receiving is not None:
            receiving.abort()


class Gathered:
    """A message of another service: kept until it is complete, then passed on."""

    def __init__(self, context_id: int, command: bytes, pass_on: PassOn) -> None:
        self._context_id, self._command, self._pass_on = context_id, command, pass_on
        self._data = bytearray()

    def feed(self, view: memoryview) -> None:
        if len(self._data) + len(view) > LONGEST_OTHER:
            raise Malformed("a data set of a service that is not storage is too long")
        self._data += view

    def finish(self) -> None:
        self._pass_on(self._context_id, self._command, bytes(self._data))

    def abort(self) -> None:
        self._data.clear()


class Store:
    """A C-STORE whose data set is on its way."""

    def __init__(self, context_id: int, command: Command, respond: Respond) -> None:
        message_id = command.number(messages.MESSAGE_ID)
        if message_id is None:
            raise Malformed("a request has no Message ID to answer to")
        self._context_id, self._message_id, self._respond = context_id, message_id, respond
        self._class = command.text(messages.AFFECTED_CLASS)
        self._instance = command.text(messages.AFFECTED_INSTANCE)
        self._command = command
        self._sink: Sink | None = None
        self._reply: Reply | None = None

    def begin(
        self, door: Door, caller: Caller, negotiated: tuple[str, str], quirks: frozenset[str] = frozenset()
    ) -> None:
        if not self._class and NO_CLASS in quirks:
            self._class = negotiated[0]
        self._reply = self._objection(negotiated[0])
        if self._reply is None:
            asked = self._asked(negotiated[1])
            self._guard(lambda: self._take(door.begin(caller, asked)))

    def _take(self, sink: Sink) -> None:
        self._sink = sink

    def _objection(self, negotiated_class: str) -> Reply | None:
        if not negotiated_class or self._class != negotiated_class:
            return Reply(statuses.SOP_CLASS_NOT_SUPPORTED, "SOP Class was not negotiated in this context")
        if not self._instance:
            return Reply(statuses.CANNOT_UNDERSTAND, "Affected SOP Instance UID is missing")
        if not self._command.has_data_set:
            return Reply(statuses.CANNOT_UNDERSTAND, "C-STORE has no data set")
        return None

    def _asked(self, transfer_syntax: str) -> StoreCommand:
        command = self._command
        return StoreCommand(
            self._class,
            self._instance,
            transfer_syntax,
            self._message_id,
            command.text(messages.MOVE_AE) or None,
            command.number(messages.MOVE_MESSAGE_ID),
        )

    def feed(self, view: memoryview) -> None:
        sink = self._sink
        if sink is not None:
            self._guard(lambda: sink.feed(view))

    def finish(self) -> None:
        sink = self._sink
        if sink is not None:
            self._guard(lambda: self._conclude(sink))
        reply = self._reply or Reply(statuses.PROCESSING_FAILURE)
        self._respond(
            self._context_id,
            messages.store_response(
                self._class, self._instance, self._message_id, reply.status, reply.comment
            ),
        )

    def _conclude(self, sink: Sink) -> None:
        self._reply = sink.finish()

    def _guard(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            logger.error("A C-STORE is answered with 0x0110: %s.", place(error))
            self._reply = Reply(statuses.PROCESSING_FAILURE, "Processing failure")
            self.abort()

    def abort(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.abort()
        except Exception as error:
            logger.error("A sink could not be aborted: %s.", place(error))


def place(error: BaseException) -> str:
    """Which kind of error and where, without its message: that may quote an image."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    return f"{type(error).__name__} in {Path(trace.tb_frame.f_code.co_filename).name} line {trace.tb_lineno}"

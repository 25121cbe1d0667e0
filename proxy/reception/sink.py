"""What the listener feeds: one image, and an answer for every trouble it may meet (`network.door.Sink`)."""

import logging
import traceback
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, connection

from proxy.network.door import Reply, StoreCommand
from proxy.reception.image import Commits, Held, Image
from proxy.reception.replies import REFUSED_BY_NODE, SUCCESS, UNEXPECTED, Answer, answer_to
from proxy.reception.results import BringsHome, Result
from proxy.routing.match import NodeFacts, RouteFacts

log = logging.getLogger(__name__)

NOT_ALLOWED = Answer(
    Reply(REFUSED_BY_NODE, "No route allows this"), "A caller whose association was let in may store no more."
)
HELD_REFUSAL = Reply(REFUSED_BY_NODE, "Image held for review")


@dataclass(slots=True)
class Receiving:
    commits: Commits
    route: RouteFacts | None
    node: NodeFacts | None
    command: StoreCommand
    brings_home: BringsHome | None = None
    _image: Image | Result | None = field(init=False, default=None)
    _trouble: Answer | None = field(init=False, default=None)

    def feed(self, view: memoryview) -> None:
        """After the first trouble the rest is let pass, so that the answer reaches the sender."""
        if self._trouble is None:
            try:
                self._open().feed(view)
            except Exception as error:
                self._stumble(error)

    def finish(self) -> Reply:
        if self._trouble is None:
            try:
                return self._reply(self._open().finish())
            except Exception as error:
                self._stumble(error)
        return (self._trouble or UNEXPECTED).reply

    def abort(self) -> None:
        self._drop()

    def _open(self) -> Image | Result:
        if self._image is None:
            if self.route is None:
                raise NotAllowed
            self._image = self._begun(self.route)
        return self._image

    def _begun(self, route: RouteFacts) -> Image | Result:
        """What an outside node sends is pseudonymous already, and on its way home."""
        if self.node is None or not self.node.outside:
            return Image(self.commits, route, self.node, self.command, self.command.transfer_syntax)
        if self.brings_home is None:
            raise NotAllowed
        return Result(self.brings_home, route, self.node, self.command)

    def _reply(self, fate: object) -> Reply:
        if not isinstance(fate, Held):
            return Reply(SUCCESS)
        log.warning("held an image of %s: %s", self._sender(), " ".join(hold.reason for hold in fate.holds))
        return HELD_REFUSAL if self.node and self.node.on_hold == "refuse" else Reply(SUCCESS)

    def _stumble(self, error: Exception) -> None:
        """Say whose fault it is; of a surprise, its kind and place, never its message: it could quote anything."""
        self._trouble = NOT_ALLOWED if isinstance(error, NotAllowed) else answer_to(error)
        if isinstance(error, DatabaseError | InterfaceError):
            _connect_anew()
        where = traceback.extract_tb(error.__traceback__)[-1]
        log.warning(
            "answered 0x%04X to %s: %s (%s in %s:%s)",
            self._trouble.reply.status, self._sender(), self._trouble.sentence,
            type(error).__name__, where.name, where.lineno,
        )  # fmt: skip
        self._drop()

    def _drop(self) -> None:
        if self._image is not None:
            self._image.abort()
            self._image = None

    def _sender(self) -> str:
        return self.node.name if self.node else "an unnamed node"


def _connect_anew() -> None:
    """The next image of this association shall not meet the same broken connection."""
    if not connection.in_atomic_block:
        connection.close()


class NotAllowed(Exception):
    """The configuration changed while the association was open."""

"""Have a peer give images: C-GET over our own association, or C-MOVE to an AE title that it knows (PS3.4 C.4.2, C.4.3).

With C-GET the images come as C-STORE requests on the association that we opened. They go to the same kind of door and
sink as at the listener, so nothing of them is written that the pipeline would not write.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pynetdicom.presentation import build_context

from proxy.network import messages, roots, statuses
from proxy.network.contexts import MOST_CONTEXTS, PLAIN_SYNTAXES, TRANSFER_SYNTAXES
from proxy.network.conversing import Alive, Conversation, Receiving, Request, Response
from proxy.network.door import Caller, Door
from proxy.network.inbox import Store
from proxy.network.messages import Command, Malformed
from proxy.network.negotiating import Roles, selection
from proxy.network.peer import Lost, Peer
from proxy.network.quirks import NO_EXTENDED
from proxy.network.statuses import Meaning

SUCCESS, SOME_FAILED, CANCELLED = 0x0000, 0xB000, 0xFE00
_COMMON: Final = (
    "70",
    "90",
    "50",
    "80",
    "91",
    "51",
    "57",
    "81",
)  # of 1.2.840.10008.1.2.4: what archives hold
_COMPRESSED: Final = (*(f"1.2.840.10008.1.2.4.{one}" for one in _COMMON), "1.2.840.10008.1.2.5")
SYNTAXES: Final = tuple(dict.fromkeys((*PLAIN_SYNTAXES, *_COMPRESSED, *TRANSFER_SYNTAXES)))
"""Each in a context of its own, so that the peer gives an image as it lies there; these first if there is no room."""
COMPRESSED_FIRST: Final = tuple(dict.fromkeys((*_COMPRESSED, *PLAIN_SYNTAXES, *TRANSFER_SYNTAXES)))
"""For a peer that takes the first context of a class whatever its transfer syntax, and then fails, as dcmqrscp does."""
MOST_CLASSES: Final = MOST_CONTEXTS - len(roots.GETTING)

GET_NOT_OFFERED = "The peer does not give images by C-GET."
MOVE_NOT_OFFERED = "The peer does not move images (C-MOVE): allow us there."
NO_PATIENT = (
    "The peer retrieves by patient only (Patient Root), and has not said whose study it is: begin --anew."
)
STATUSES: Final = {
    0xA701: "it is out of resources and could not count the images",
    0xA702: "it could not send any image",
    0xA801: "it does not know the AE title to move to: enter it there, with address and port",
    0xA900: "the request does not fit its model",
    0x0122: "it does not offer this service",
    0x0124: "it does not allow us to retrieve: see its list of AE titles",
}


@dataclass(frozen=True, slots=True)
class Counts:
    """What the peer says of its sub-operations; None where it says nothing."""

    completed: int | None = None
    failed: int | None = None
    warned: int | None = None
    remaining: int | None = None

    @property
    def given(self) -> int:
        return (self.completed or 0) + (self.warned or 0)


@dataclass(frozen=True, slots=True)
class Ended:
    """`why` is empty if the peer says that all went well."""

    status: int
    counts: Counts
    why: str = ""


@dataclass(slots=True)
class Taken:
    """What came over our own association."""

    stored: int = 0
    refused: int = 0


Tell = Callable[[Counts], None]
Pace = Callable[[], None]


class Fetching:
    """C-GET. `pace` is called before each image is answered, and may wait. Raises Lost."""

    def __init__(
        self,
        peer: Peer,
        classes: Sequence[str],
        door: Door,
        called_ae: str,
        pace: Pace = lambda: None,
        syntaxes: Sequence[str] = SYNTAXES,
    ) -> None:
        if NO_EXTENDED in peer.quirks:
            raise GetNotOffered
        self._door, self._pace, self._quirks = door, pace, peer.quirks
        self._caller = Caller(called_ae, peer.ae_title, peer.host, peer.port)
        self.taken = Taken()
        contexts, roles = _proposed(classes[:MOST_CLASSES], syntaxes)
        self._conversation = Conversation(peer, contexts, roles, self._intake)
        self._root = roots.offered(self._conversation, roots.GETTING)
        if not self._root or not self._gives_anything():
            self._conversation.close()
            raise GetNotOffered

    def _gives_anything(self) -> bool:
        return any(one.as_scp for one in self._conversation.contexts.values())

    def fetch(self, keys: Mapping[str, str | Sequence[str]], tell: Tell = lambda counts: None) -> Ended:
        return _retrieved(self._conversation, _request(self._root, messages.C_GET_RQ, keys), tell)

    def _intake(self, context_id: int, command: Command) -> Receiving | None:
        context = self._conversation.contexts.get(context_id)
        if context is None or str(context.abstract_syntax) in roots.GETTING:
            raise Malformed("a C-STORE comes in a context that is not for images")
        store = Store(context_id, command, self._answer)
        pair = str(context.abstract_syntax), str(context.transfer_syntax[0])
        store.begin(self._door, self._caller, pair, self._quirks)
        if command.has_data_set:
            return store
        store.finish()
        return None

    def _answer(self, context_id: int, command: bytes) -> None:
        status = messages.parse_command(command).number(messages.STATUS) or 0
        if statuses.explain(status).meaning is Meaning.STORED:
            self.taken.stored += 1
        else:
            self.taken.refused += 1
        self._pace()
        self._conversation.respond(context_id, command)

    def close(self) -> None:
        self._conversation.close()


class GetNotOffered(Lost):
    """C-MOVE may do."""

    def __init__(self) -> None:
        super().__init__(GET_NOT_OFFERED)


@dataclass(slots=True)
class Moving:
    """C-MOVE to an AE title. A peer need not say how far it is: `alive` says whether images come. Raises Lost."""

    peer: Peer
    to: str
    alive: Alive = lambda: False
    _conversation: Conversation = field(init=False)
    _root: str = field(init=False)

    def __post_init__(self) -> None:
        self._conversation = Conversation(self.peer, roots.contexts(roots.MOVING), alive=self.alive)
        self._root = roots.offered(self._conversation, roots.MOVING)
        if not self._root:
            self._conversation.close()
            raise Lost(MOVE_NOT_OFFERED)

    def fetch(self, keys: Mapping[str, str | Sequence[str]], tell: Tell = lambda counts: None) -> Ended:
        request = _request(self._root, messages.C_MOVE_RQ, keys, self.to)
        return _retrieved(self._conversation, request, tell)

    def close(self) -> None:
        self._conversation.close()


def _request(root: str, what: int, keys: roots.Keys, to: str = "") -> Request:
    """Raises Lost."""
    if roots.lacks_patient(root, keys):
        raise Lost(NO_PATIENT)
    return Request(root, what, roots.fitted(root, keys), to)


def _retrieved(conversation: Conversation, request: Request, tell: Tell) -> Ended:
    for response in conversation.ask(request):
        counts = _counts(response)
        if not response.is_pending:
            return Ended(response.status, counts, _why(response.status, counts))
        tell(counts)
    raise Lost("The peer gave no final answer.")


def _counts(response: Response) -> Counts:
    command = response.command
    every = (messages.COMPLETED, messages.FAILED, messages.WARNED, messages.REMAINING)
    return Counts(*map(command.number, every))


def _why(status: int, counts: Counts) -> str:
    if status == SUCCESS and not counts.failed:
        return ""
    if status in (SUCCESS, SOME_FAILED):
        return f"The peer says that {counts.failed or 'some'} images could not be sent (0x{status:04X})."
    return f"The peer refused (0x{status:04X}): {STATUSES.get(status, 'it could not process the request')}."


def _proposed(classes: Sequence[str], syntaxes: Sequence[str]) -> tuple[list[Any], list[Any]]:
    """The service in both models, then each class in as many transfer syntaxes as there is room for; and our roles."""
    room = MOST_CLASSES // max(len(classes), 1)
    contexts = roots.contexts(roots.GETTING)
    for sop_class in classes:
        choices = [[one] for one in syntaxes[:room]] if room > 1 else [list(PLAIN_SYNTAXES)]
        contexts += [build_context(sop_class, one) for one in choices]
    return contexts, [selection(one, Roles(scu=False, scp=True)) for one in classes]

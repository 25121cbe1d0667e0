"""What whoever uses the listener hands it: who may come in, and where an instance goes.

Everything here is called on the thread of the association it belongs to, so what one door or sink waits for
(disk, database) is felt by its own sender and nobody else. A reply's comment goes to the peer in the clear:
it never carries an identity.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from proxy.network.asking import Asked, Report, Result
from proxy.network.finding import Match, Query, Refused
from proxy.network.giving import Selection, Wish


@dataclass(frozen=True, slots=True)
class Caller:
    """The other end of an association, as it introduced itself: AE titles are claims, not credentials."""

    called_ae: str
    calling_ae: str
    address: str
    port: int
    certificate_subject: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """The three numbers of an A-ASSOCIATE-RJ (PS3.8 9.3.4) and the sentence for the log."""

    result: int
    source: int
    reason: int
    why: str


APPLICATION_CONTEXT_UNKNOWN = (1, 1, 2)
CALLED_AE_UNKNOWN = (1, 1, 7)
CALLING_AE_UNKNOWN = (1, 1, 3)
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)
NOT_ASKED = (0, 0, 0)  # turned away before an association was asked for


@dataclass(frozen=True, slots=True)
class StoreCommand:
    """What a C-STORE request says about the data set that follows it (PS3.7 9.3.1)."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str
    message_id: int
    move_originator_ae: str | None
    move_originator_message_id: int | None
    study_uid: str = ""  # whose instance it must be, where a STOW-RS request says so (PS3.18 10.5.1.1)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    comment: str = ""


class Sink(Protocol):
    """One data set on its way in. After `finish` or `abort`, one of which always comes, nothing comes."""

    def feed(self, view: memoryview) -> None:
        """The next encoded bytes. The view is only valid during the call: the buffer is used again."""

    def finish(self) -> Reply:
        """All of it was fed. Returns once the answer is true: Success means safe."""
        ...

    def abort(self) -> None:
        """The association died in the middle, or `feed` or `finish` raised: leave nothing behind."""


class Door(Protocol):
    def admit(self, caller: Caller) -> Rejection | None:
        """Decide at the association request; None lets the caller in."""
        ...

    def begin(self, caller: Caller, command: StoreCommand) -> Sink: ...


@runtime_checkable
class KnowsQuirks(Protocol):
    """A door that has this too says what is difficult about a caller (`quirks.QUIRKS`)."""

    def quirks(self, caller: Caller) -> frozenset[str]: ...


@runtime_checkable
class HearsFarewells(Protocol):
    """A door that has this too is told, on the association's own thread, that nothing more comes over it."""

    def left(self) -> None: ...


@runtime_checkable
class CommitsStorage(Protocol):
    """A door that has this too offers storage commitment to those it says."""

    def may_commit(self, caller: Caller) -> bool: ...

    def commitment_asked(self, caller: Caller, asked: Asked) -> int:
        """The status of the N-ACTION-RSP; with Success the request is durable."""
        ...

    def commitment_due(self, caller: Caller) -> Result | None:
        """A result that this caller has not heard yet, ours to tell now; None if none is final."""
        ...

    def commitment_told(self, result: Result, heard: bool) -> None: ...


@runtime_checkable
class HearsCommitments(Protocol):
    """A door that has this too lets those it says tell us what they have committed (they are the provider)."""

    def may_report(self, caller: Caller) -> bool: ...

    def commitment_heard(self, caller: Caller, report: Report) -> int:
        """The status of the N-EVENT-REPORT-RSP; with Success what was told is durable."""
        ...


@runtime_checkable
class AnswersQueries(Protocol):
    """A door that has this too answers queries of those it says."""

    def may_query(self, caller: Caller) -> bool:
        """Asked when somebody proposes to; a no is the refusal of an attempt."""
        ...

    def query(self, caller: Caller, query: Query) -> Generator[Match | Refused | None, None, None]:
        """What matches, while it is found; None where it takes a while until more is; a refusal is the last.

        It is closed when nobody wants more.
        """
        ...


@runtime_checkable
class GivesImages(Protocol):
    """A door that has this too gives images to those it says (C-GET, C-MOVE)."""

    def may_retrieve(self, caller: Caller) -> bool:
        """Asked when somebody proposes to; a no is the refusal of an attempt."""
        ...

    def selected(self, caller: Caller, wish: Wish) -> Selection | int:
        """What is meant, or the status that refuses it."""
        ...


@runtime_checkable
class HearsRefusals(Protocol):
    """A door that has this too is told whom the listener turned away, and why."""

    def refused(self, caller: Caller, rejection: Rejection) -> None: ...


@runtime_checkable
class HearsEchoes(Protocol):
    """A door that has this too is told of each C-ECHO that was answered."""

    def echoed(self, caller: Caller) -> None: ...

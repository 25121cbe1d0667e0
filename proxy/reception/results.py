"""One object of an outside node on its way: in memory until it is whole, then handed to whoever brings it home."""

from collections.abc import Callable
from dataclasses import dataclass, field

from django.conf import settings

from proxy.deid import Hold, Limits
from proxy.deid.homeward import Mentions, mentions, parts_of
from proxy.network.door import StoreCommand
from proxy.reception.budget import Share
from proxy.reception.image import BUDGET, BUFFERS, MEGABYTE, Held, Kept, check_study
from proxy.reception.replies import MISMATCH, NoRoom, WrongImage
from proxy.routing.match import NodeFacts, RouteFacts
from proxy.storage.space import has_room
from proxy.vault.keyring import current

BringsHome = Callable[[RouteFacts, NodeFacts, str, bytes, Mentions], Hold | None]
"""Makes it safe, on its way home or held; why it is held, or None."""

COPIES = 4  # of the data set: as it came in pieces and whole, its parts, and their tokens


@dataclass(slots=True)
class Result:
    brings: BringsHome
    route: RouteFacts
    node: NodeFacts
    command: StoreCommand
    _pieces: list[bytes] = field(init=False, default_factory=list)
    _size: int = field(init=False, default=0)
    _share: Share = field(init=False, default_factory=lambda: Share(BUDGET))

    def __post_init__(self) -> None:
        if not has_room(settings.DICOM_STORAGE_DIR, settings.DISK_WATERMARK * MEGABYTE):
            raise NoRoom
        current().check()

    def feed(self, view: memoryview) -> None:
        self._size += len(view)
        self._share.hold(COPIES * self._size + BUFFERS)
        self._pieces.append(bytes(view))

    def finish(self) -> Kept | Held:
        try:
            hold = self._finish()
        finally:
            self._share.release()
        return Kept() if hold is None else Held((hold,))

    def _finish(self) -> Hold | None:
        data, syntax = b"".join(self._pieces), self.command.transfer_syntax
        self._pieces.clear()
        limits = Limits(
            header=settings.HEADER_LIMIT * MEGABYTE,
            inflated=settings.DICOM_MEMORY_LIMIT * MEGABYTE // COPIES,
        )
        said = mentions(parts_of(data, syntax, limits))
        check(said, self.command)
        return self.brings(self.route, self.node, syntax, data, said)

    def abort(self) -> None:
        self._share.release()
        self._pieces.clear()


def check(said: Mentions, command: StoreCommand) -> None:
    """As of every image (PS3.4 B.2.3)."""
    if not (said.sop_class and said.uid and said.study and said.series):
        raise WrongImage(MISMATCH, "A UID of study, series or instance is missing.")
    if (said.sop_class, said.uid) != (command.sop_class_uid, command.sop_instance_uid):
        raise WrongImage(MISMATCH, "The UIDs of command and data set differ.")
    check_study(said.study, command)

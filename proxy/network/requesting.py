"""Ask a peer for storage commitment, and listen for a while: some peers answer at once, on the association on which
they were asked, others call back much later (PS3.4 J.3.2.2, J.3.3.2).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.presentation import build_context

from proxy.network.asking import REQUEST_COMMITMENT, SUCCESS, WELL_KNOWN_INSTANCE, Asked, Report
from proxy.network.commitment import reference_item
from proxy.network.contexts import PLAIN_SYNTAXES, PUSH_MODEL
from proxy.network.hearing import heard
from proxy.network.opening import opened
from proxy.network.peer import Lost, Peer
from proxy.network.reactor import Association

LOOK_EVERY = 0.5  # seconds; the answer may reach another process of ours
SILENT = "The peer did not answer the request for storage commitment."
Hear = Callable[[Report], int]


@dataclass(frozen=True, slots=True)
class Answer:
    """`taken`: the peer will tell what became of it. `offered`: it knows the service at all."""

    taken: bool
    offered: bool = True
    why: str = ""


NOT_OFFERED = Answer(
    False,
    False,
    "The peer offers no storage commitment: allow us there, or take commitment off the destination.",
)


def request(peer: Peer, asked: Asked, hear: Hear, waiting: Callable[[], bool], seconds: float) -> Answer:
    """Ask, and hand what is told on this association to `hear`, which says the status to answer with.

    Listens for so many seconds, as long as `waiting` says so. Raises Lost.
    """
    association = opened(peer, [build_context(PUSH_MODEL, list(PLAIN_SYNTAXES))])
    try:
        if not association.accepted_contexts:
            return NOT_OFFERED
        association.bind(evt.EVT_N_EVENT_REPORT, lambda event: (heard(event, hear), None))
        status = _asked(association, asked)
        if status != SUCCESS:
            return Answer(False, why=f"The peer refused to commit (0x{status:04X}).")
        _listen(association, waiting, time.monotonic() + seconds)
        return Answer(True)
    finally:
        association.release() if association.is_established else association.kill()
        association.dul.dispose()


def _asked(association: Association, asked: Asked) -> int:
    information = _information(asked)
    answer, _ = association.send_n_action(information, REQUEST_COMMITMENT, PUSH_MODEL, WELL_KNOWN_INSTANCE)
    if "Status" not in answer:
        raise Lost(SILENT)
    return int(answer.Status)


def _listen(association: Association, waiting: Callable[[], bool], deadline: float) -> None:
    standing = True
    while standing and waiting() and time.monotonic() < deadline:
        standing = association.serve(min(time.monotonic() + LOOK_EVERY, deadline))


def _information(asked: Asked) -> Dataset:
    information = Dataset()
    information.TransactionUID = asked.transaction
    information.ReferencedSOPSequence = [reference_item(one) for one in asked.references]
    return information

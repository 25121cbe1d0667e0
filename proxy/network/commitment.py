"""Storage commitment on the wire (PS3.4 Annex J): what is asked with N-ACTION, what is told with N-EVENT-REPORT.

The provider tells its result on the association on which it was asked, if that is still open, or on one of its own;
there it proposes to be the provider by role selection (PS3.4 J.3.3, PS3.7 D.3.3.4).
"""

from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.presentation import build_context

from proxy.network.asking import (
    ALL_COMMITTED,
    FAILURES_EXIST,
    SUCCESS,
    WELL_KNOWN_INSTANCE,
    Reference,
    Result,
)
from proxy.network.contexts import PLAIN_SYNTAXES, PUSH_MODEL
from proxy.network.negotiating import Roles, selection
from proxy.network.opening import opened
from proxy.network.peer import Lost, Peer


def event(result: Result) -> tuple[int, Dataset]:
    """The event type and its information (PS3.4 J.3.3.1)."""
    information = Dataset()
    information.TransactionUID = result.transaction
    if result.committed:
        information.ReferencedSOPSequence = [_item(one) for one in result.committed]
    if not result.failed:
        return ALL_COMMITTED, information
    information.FailedSOPSequence = [_item(one, reason) for one, reason in result.failed]
    return FAILURES_EXIST, information


def _item(reference: Reference, reason: int | None = None) -> Dataset:
    item = reference_item(reference)
    if reason is not None:
        item.FailureReason = reason
    return item


def reference_item(reference: Reference) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = reference.sop_class, reference.sop_instance
    return item


def tell(association: Any, result: Result) -> bool:
    """On an association that stands. False: we do not know that it was heard."""
    kind, information = event(result)
    if not association.is_established:
        return False
    answer, _ = association.send_n_event_report(information, kind, PUSH_MODEL, WELL_KNOWN_INSTANCE)
    return bool(answer.get("Status") == SUCCESS)


def call(peer: Peer, result: Result) -> str:
    """On an association of our own. Why it was not heard, as a sentence; empty if it was."""
    role = selection(PUSH_MODEL, Roles(scu=False, scp=True))
    try:
        association = opened(peer, [build_context(PUSH_MODEL, list(PLAIN_SYNTAXES))], extended=[role])
    except Lost as lost:
        return str(lost)
    try:
        if not association.accepted_contexts:
            return "The peer takes no storage commitment results on an association that we open."
        return "" if tell(association, result) else "The peer did not confirm that it heard the result."
    finally:
        association.release() if association.is_established else association.kill()
        association.dul.dispose()

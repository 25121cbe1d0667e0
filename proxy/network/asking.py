"""What a request for storage commitment says, as values (PS3.4 J.3.2), and what is told in answer (J.3.3)."""

from dataclasses import dataclass
from typing import Any

from pydicom.uid import UID

from proxy.network.quiet import hush

WELL_KNOWN_INSTANCE = "1.2.840.10008.1.20.1.1"
REQUEST_COMMITMENT = 1  # the only action type
ALL_COMMITTED, FAILURES_EXIST = 1, 2  # event types
MOST = 20_000  # instances of one request
hush()

SUCCESS, NO_SUCH_ARGUMENT, INVALID_ARGUMENT = 0x0000, 0x0114, 0x0115
NO_SUCH_INSTANCE, NO_SUCH_EVENT, NO_SUCH_ACTION, RESOURCE_LIMITATION = 0x0112, 0x0113, 0x0123, 0x0213

PROCESSING_FAILURE, CLASS_CONFLICT, DUPLICATE_TRANSACTION = 0x0110, 0x0119, 0x0131
"""Failure reasons, with NO_SUCH_INSTANCE (PS3.3 C.14.1.1)."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An instance as its sender knows it; UIDs are identities, and not shown."""

    sop_class: str
    sop_instance: str

    def __repr__(self) -> str:
        return "Reference(...)"


@dataclass(frozen=True, slots=True, repr=False)
class Asked:
    transaction: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """`failed` is why, for each that is not committed. `key` is the asker's own."""

    key: int
    transaction: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What a peer tells us about images of ours; what it says twice and in two ways is not committed."""

    transaction: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, int], ...]


def read_request(action: int | None, instance: str, information: Any) -> Asked | int:
    """What is asked, or the status of the N-ACTION-RSP that refuses it."""
    if action != REQUEST_COMMITMENT:
        return NO_SUCH_ACTION
    if instance != WELL_KNOWN_INSTANCE:
        return NO_SUCH_INSTANCE
    transaction = _uid(information, "TransactionUID")
    items = getattr(information, "ReferencedSOPSequence", None) or []
    if not transaction or not items:
        return NO_SUCH_ARGUMENT
    if len(items) > MOST:
        return RESOURCE_LIMITATION
    references = [_reference(item) for item in items]
    if not all(one.sop_class and one.sop_instance for one in references):
        return INVALID_ARGUMENT
    return Asked(transaction, tuple(dict.fromkeys(references)))


def read_report(event: int | None, instance: str, information: Any) -> Report | int:
    """What is told, or the status of the N-EVENT-REPORT-RSP that refuses it."""
    if event not in (ALL_COMMITTED, FAILURES_EXIST):
        return NO_SUCH_EVENT
    if instance != WELL_KNOWN_INSTANCE:
        return NO_SUCH_INSTANCE
    transaction = _uid(information, "TransactionUID")
    if not transaction:
        return NO_SUCH_ARGUMENT
    good = getattr(information, "ReferencedSOPSequence", None) or []
    bad = getattr(information, "FailedSOPSequence", None) or []
    if len(good) + len(bad) > MOST:
        return RESOURCE_LIMITATION
    failed = {_reference(item): _number(item, "FailureReason", PROCESSING_FAILURE) for item in bad}
    committed = dict.fromkeys(one for one in map(_reference, good) if one not in failed)
    return Report(transaction, tuple(committed), tuple(failed.items()))


def _reference(item: Any) -> Reference:
    return Reference(_uid(item, "ReferencedSOPClassUID"), _uid(item, "ReferencedSOPInstanceUID"))


def _number(item: Any, keyword: str, missing: int) -> int:
    value = getattr(item, keyword, None)
    return value if isinstance(value, int) else missing


def _uid(item: Any, keyword: str) -> str:
    """Empty if it is absent or no UID."""
    value = UID(str(getattr(item, keyword, "") or ""))
    return str(value) if value.is_valid else ""

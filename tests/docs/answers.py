"""What our code answers over DICOM, read from where it answers: statuses and rejections as rows for the page."""

import ast
import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from proxy.deliveries.commitment import SENTENCES
from proxy.network import asking, door, finding, inbox, scp, statuses
from proxy.reception import door as reception
from proxy.reception import image, replies, sink
from proxy.retrieval.commitments import MOST_WAITING
from proxy.vault import pseudonyms
from tests.docs import reading

Row = tuple[str, ...]
AFTERWARDS = {
    statuses.Meaning.STORED: "nothing: it is safe here",
    statuses.Meaning.LATER: "the same image may come again",
    statuses.Meaning.REFUSED: "this image will not be taken as it is",
    statuses.Meaning.PERSON: "somebody has to change something first",
}
BEHAVIOUR = {
    statuses.Meaning.STORED: "counted as stored",
    statuses.Meaning.LATER: "tried again, later each time",
    statuses.Meaning.REFUSED: "refused: a person decides",
    statuses.Meaning.PERSON: "refused: a person decides",
}


def code(status: int) -> str:
    return f"`0x{status:04X}`"


# --- C-STORE, as a provider ---------------------------------------------------------------------------


def store_provider() -> list[Row]:
    """Status, its name, the Error Comment, why, and what the sender may do."""
    why: dict[tuple[int, str], list[str]] = {}
    for status, comment, sentence in _answers():
        why.setdefault((status, comment), []).append(sentence)
    return [_row(*said, " ".join(filter(None, why[said]))) for said in sorted(why)]


def _answers() -> Iterator[tuple[int, str, str]]:
    yield replies.SUCCESS, "", "Stored now, or before with equal content; or held in quarantine."
    yield from _said(inbox, "Reply")
    yield from _said(image, "WrongImage")
    yield (
        sink.HELD_REFUSAL.status,
        sink.HELD_REFUSAL.comment,
        "Held in quarantine, and its node says `on_hold: refuse`.",
    )
    vault = replies.answer_to(pseudonyms.Taken())
    for answer in (sink.NOT_ALLOWED, *(one for _, one in replies.FAILURES), vault, replies.UNEXPECTED):
        yield answer.reply.status, answer.reply.comment, answer.sentence


def _row(status: int, comment: str, why: str) -> Row:
    known = statuses.explain(status)
    return code(status), known.name, comment, why, AFTERWARDS[known.meaning]


def _said(module: ModuleType, maker: str) -> Iterator[tuple[int, str, str]]:
    """Each `maker(STATUS, "comment")` in the module's text; such a comment says all there is to say."""
    for node in ast.walk(ast.parse(reading.text(str(module.__file__)))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == maker:
            yield from _constant(module, node.args)


def _constant(module: ModuleType, arguments: list[ast.expr]) -> Iterator[tuple[int, str, str]]:
    if len(arguments) == 2 and isinstance(arguments[1], ast.Constant):
        yield _value(module, arguments[0]), str(arguments[1].value)[:64], ""


def _value(module: ModuleType, node: ast.expr) -> int:
    found: Any = module
    for name in ast.unparse(node).split("."):
        found = getattr(found, name)
    return int(found)


# --- C-STORE, as a user -------------------------------------------------------------------------------


def store_user() -> list[Row]:
    """Status or range, its name, and what we do."""
    return [(_range(one), one.name, BEHAVIOUR[one.meaning], one.sentence) for one in statuses.TABLE]


def _range(status: statuses.Status) -> str:
    first, last = code(status.first), code(status.last)
    return first if first == last else f"{first} to {last}"


# --- storage commitment -------------------------------------------------------------------------------

REQUESTS: dict[int, str] = {
    asking.SUCCESS: "The request is durable: its result will be told.",
    asking.PROCESSING_FAILURE: "Database or keys are away: the same request may come again.",
    asking.NO_SUCH_INSTANCE: f"The Requested SOP Instance UID is not {asking.WELL_KNOWN_INSTANCE}.",
    asking.NO_SUCH_ARGUMENT: "Transaction UID or Referenced SOP Sequence is missing.",
    asking.INVALID_ARGUMENT: "What is referenced is no UID, or the data set cannot be read.",
    asking.NO_SUCH_ACTION: f"The Action Type ID is not {asking.REQUEST_COMMITMENT}.",
    reception.NOT_AUTHORISED: "The caller is no node (any more).",
    asking.RESOURCE_LIMITATION: f"Over {asking.MOST:,} references, or {MOST_WAITING:,} requests of this node wait.",
}
FAILURES: dict[int, str] = {
    asking.PROCESSING_FAILURE: "Its route never commits, a delivery was given up, or not every destination had it"
    " within `COMMITMENT_PATIENCE` hours.",
    asking.NO_SUCH_INSTANCE: "We do not hold it, or another node sent it; it is in quarantine, discarded, expired or"
    " forgotten.",
    asking.CLASS_CONFLICT: "We hold it under another SOP Class.",
    asking.DUPLICATE_TRANSACTION: "This node used the Transaction UID before; all references fail.",
}

REPORTS: dict[int, str] = {
    asking.SUCCESS: "The result is durable, or was heard before.",
    asking.PROCESSING_FAILURE: "The database is away: the same result may come again.",
    asking.NO_SUCH_INSTANCE: f"The Affected SOP Instance UID is not {asking.WELL_KNOWN_INSTANCE}.",
    asking.NO_SUCH_EVENT: f"The Event Type ID is neither {asking.ALL_COMMITTED} nor {asking.FAILURES_EXIST}.",
    asking.NO_SUCH_ARGUMENT: "The Transaction UID is missing.",
    asking.INVALID_ARGUMENT: "This node was not asked under this Transaction UID, or the data set cannot be read.",
    reception.NOT_AUTHORISED: "The caller is no node (any more).",
    asking.RESOURCE_LIMITATION: f"Over {asking.MOST:,} references.",
}


def requests() -> list[Row]:
    return [(code(status), REQUESTS[status]) for status in sorted(REQUESTS)]


def failures() -> list[Row]:
    return [(code(status), FAILURES[status]) for status in sorted(FAILURES)]


def reports() -> list[Row]:
    return [(code(status), REPORTS[status]) for status in sorted(REPORTS)]


def refusals() -> list[Row]:
    """Failure Reasons that we hear, as an operator reads them."""
    return [(code(reason), _sentence(f"{sentence}.")) for reason, sentence in sorted(SENTENCES.items())]


# --- C-FIND -------------------------------------------------------------------------------------------

QUERIES: dict[int, str] = {
    finding.SUCCESS: "All that match were answered.",
    finding.PENDING: "A match.",
    finding.PENDING_LESS: "A match; an optional key of the query is not supported.",
    finding.CANCELLED: "The query was cancelled.",
    finding.CLASS_NOT_SUPPORTED: "The SOP class is not that of the presentation context.",
    finding.NOT_AUTHORISED: "The node has no view (any more), or `IDENTITY_PERSONS_PER_HOUR` is reached.",
    finding.OUT_OF_RESOURCES: "More than `DICOM_FIND_MAX` match: so many were answered.",
    finding.IDENTIFIER_MISMATCH: "The level is not one of the model, a unique key above it is missing, or a key has a"
    " value that it cannot have: the Error Comment names the key.",
    finding.CANNOT_PROCESS: "The identifier cannot be read, or the query failed.",
}


def queries() -> list[Row]:
    return [(code(status), QUERIES[status]) for status in sorted(QUERIES)]


# --- C-FIND, C-GET and C-MOVE, as a user --------------------------------------------------------------


def asked(sentences: Mapping[int, str]) -> list[Row]:
    """How a peer may refuse, as an operator reads it."""
    return [(code(status), f"The peer refused: {why}.") for status, why in sorted(sentences.items())]


# --- A-ASSOCIATE-RJ -----------------------------------------------------------------------------------

RESULTS = {1: "rejected-permanent", 2: "rejected-transient"}
SOURCES = {1: "service-user", 2: "service-provider (ACSE)", 3: "service-provider (presentation)"}
REASONS = {
    (1, 1): "no-reason-given",
    (1, 2): "application-context-name-not-supported",
    (1, 3): "calling-AE-title-not-recognized",
    (1, 7): "called-AE-title-not-recognized",
    (2, 2): "protocol-version-not-supported",
    (3, 1): "temporary-congestion",
    (3, 2): "local-limit-exceeded",
}


def rejections() -> list[Row]:
    """The three numbers (PS3.8 9.3.4), their names, and when."""
    full = door.Rejection(*door.LOCAL_LIMIT_EXCEEDED, "`DICOM_MAX_ASSOCIATIONS` associations are open.")
    version = door.Rejection(1, 2, 2, "The protocol version is not 1.")
    ours = (scp.NOT_DICOM, reception.UNKNOWN_CALLING, reception.UNKNOWN_CALLED, version)
    return [_rejection(one) for one in (*ours, reception.INACTIVE, reception.AWAY, scp.NO_DECISION, full)]


def _rejection(one: door.Rejection) -> Row:
    numbers = f"{one.result}/{one.source}/{one.reason}"
    reason = REASONS[one.source, one.reason]
    return numbers, RESULTS[one.result], SOURCES[one.source], reason, _sentence(one.why)


def _sentence(text: str) -> str:
    return re.sub(r"^.", lambda first: first[0].upper(), text)

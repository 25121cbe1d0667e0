"""What a sender hears when something goes wrong, and what the log says. Neither ever holds an identity.

The statuses are those of PS3.4 Annex B.2.3 and PS3.7 Annex C: 0xA7xx asks the sender to come again, 0xA9xx
and 0xCxxx say that this image will never do, 0x0110 says that the fault is ours.
"""

from dataclasses import dataclass

from django.db import DatabaseError, InterfaceError

from proxy.deid import EngineFault, RecipeError, TooDeep, TooInflated, TooLarge, TooMuchToMask, Unreadable
from proxy.deid.stream import DEPTH
from proxy.network.door import Reply
from proxy.reception.budget import NoMemory
from proxy.reception.charging import OverQuota
from proxy.reception.committer import NotCommitting
from proxy.storage.errors import StorageFull
from proxy.vault.keyring import KeysMissing
from proxy.vault.pseudonyms import Forgotten

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
REFUSED_BY_NODE = 0x0124
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
OTHER_STUDY = 0xA901
CANNOT_UNDERSTAND = 0xC000
NOT_TAKEN = 0xC001


class WrongImage(Exception):
    """The sender's fault: the image contradicts itself or its command."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class NoRoom(Exception):
    """The disk's watermark is reached: refused before damage is done (promise 11)."""


@dataclass(frozen=True, slots=True)
class Answer:
    reply: Reply
    sentence: str


def _answer(status: int, comment: str, sentence: str) -> Answer:
    return Answer(Reply(status, comment), sentence)


FAILURES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], Answer], ...] = (
    (
        (NoRoom, StorageFull),
        _answer(
            OUT_OF_RESOURCES,
            "Disk is full",
            "The disk is full: make room under the storage folder; senders try again.",
        ),
    ),
    (
        OverQuota,
        _answer(
            OUT_OF_RESOURCES,
            "Quota of this month is used up",
            "A customer of the service has used up what their tier allows: senders try again when the month is over.",
        ),
    ),
    (
        NoMemory,
        _answer(
            OUT_OF_RESOURCES,
            "Out of memory",
            "Images on their way hold as much memory as DICOM_MEMORY_LIMIT allows: senders try again.",
        ),
    ),
    (
        KeysMissing,
        _answer(
            PROCESSING_FAILURE,
            "Keys are missing",
            "A key file is gone: nothing is received until KEY_DIR is whole again.",
        ),
    ),
    (
        TooDeep,
        _answer(
            CANNOT_UNDERSTAND,
            "Nested too deeply",
            f"An image has sequences within sequences, more than {DEPTH} levels deep: the same will not pass.",
        ),
    ),
    (
        TooInflated,
        _answer(
            CANNOT_UNDERSTAND,
            "Inflates over the limit",
            "A deflated image becomes larger than is allowed: have it sent in another transfer syntax.",
        ),
    ),
    (
        TooMuchToMask,
        _answer(
            CANNOT_UNDERSTAND,
            "Too large to be masked",
            "An image is larger than what is masked, which happens in memory: its recipe could hold it instead.",
        ),
    ),
    (
        TooLarge,
        _answer(
            CANNOT_UNDERSTAND,
            "Header over the limit",
            "An image's header is larger than HEADER_LIMIT allows: the same will not pass until that is raised.",
        ),
    ),
    (
        Unreadable,
        _answer(
            CANNOT_UNDERSTAND,
            "Data set cannot be read",
            "A data set could not be read: truncated, or lengths are wrong.",
        ),
    ),
    (
        RecipeError,
        _answer(
            PROCESSING_FAILURE,
            "Recipe cannot be loaded",
            "The project's recipe cannot be loaded: run `describe` on it.",
        ),
    ),
    (
        EngineFault,
        _answer(
            PROCESSING_FAILURE,
            "De-identification failed",
            "De-identification failed: the image was not taken.",
        ),
    ),
    (
        Forgotten,
        _answer(
            OUT_OF_RESOURCES, "Try again", "The person was forgotten meanwhile: the same image is taken anew."
        ),
    ),
    (
        (DatabaseError, InterfaceError, NotCommitting),
        _answer(OUT_OF_RESOURCES, "Database is away", "The database did not answer: senders try again."),
    ),
)
UNEXPECTED = _answer(
    PROCESSING_FAILURE, "Processing failure", "An unexpected error: the image was not taken."
)


_OURS = {
    PROCESSING_FAILURE: _answer(
        PROCESSING_FAILURE, "Processing failure", "The vault refused: the image was not taken; run doctor."
    ),
    OUT_OF_RESOURCES: _answer(OUT_OF_RESOURCES, "Out of resources", "Out of resources: senders try again."),
}


def answer_to(error: Exception) -> Answer:
    """Decide what the sender hears about this error."""
    if isinstance(error, WrongImage):
        return _answer(error.status, error.reason[:64], error.reason)
    if isinstance(error, OverQuota):
        return _answer(OUT_OF_RESOURCES, error.comment, error.sentence)
    for kinds, answer in FAILURES:
        if isinstance(error, kinds):
            return answer
    return _OURS.get(getattr(error, "status", 0), UNEXPECTED)

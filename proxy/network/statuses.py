"""The statuses of C-STORE by name, and what each means for whoever sends (PS3.4 B.2.3, PS3.7 Annex C).

Three kinds of trouble: `LATER` passes by itself, `REFUSED` is about this image and stays, and `PERSON` is
about how the two sides are set up, so somebody has to change something before trying again makes sense.
"""
# ruff: noqa: E501 - a table is read in rows

from dataclasses import dataclass
from enum import Enum

SUCCESS = 0x0000
PROCESSING_FAILURE = 0x0110
SOP_CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORISED = 0x0124
OUT_OF_RESOURCES = 0xA700
DATA_SET_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000


class Meaning(Enum):
    STORED = "stored"
    LATER = "later"
    REFUSED = "refused"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Status:
    first: int
    last: int
    name: str
    meaning: Meaning
    sentence: str


def _one(code: int, name: str, meaning: Meaning, sentence: str) -> Status:
    return Status(code, code, name, meaning, sentence)


TABLE = (
    _one(0x0000, "Success", Meaning.STORED, "The peer stored the image."),
    _one(0x0001, "Warning", Meaning.STORED, "The peer stored the image and warns, without saying of what."),
    _one(0x0107, "Attribute list error", Meaning.STORED, "The peer stored the image but did not know all its attributes."),
    _one(0x0110, "Processing failure", Meaning.LATER, "The peer failed while it processed the image: it is sent again."),
    _one(0x0111, "Duplicate SOP Instance", Meaning.PERSON, "The peer already holds an instance with this UID and took no second one."),
    _one(0x0112, "No such SOP Instance", Meaning.REFUSED, "The peer does not know the instance it was asked about."),
    _one(0x0115, "Invalid argument value", Meaning.REFUSED, "The peer found an invalid value in the request."),
    _one(0x0116, "Attribute value out of range", Meaning.STORED, "The peer stored the image and found a value out of range."),
    _one(0x0117, "Invalid SOP Instance", Meaning.REFUSED, "The peer finds the SOP Instance UID invalid."),
    _one(0x0118, "No such SOP Class", Meaning.PERSON, "The peer does not know this SOP Class: allow it there or exclude it here."),
    _one(0x0119, "Class-instance conflict", Meaning.REFUSED, "The peer knows this instance under another SOP Class."),
    _one(0x0120, "Missing attribute", Meaning.REFUSED, "The peer misses a required attribute."),
    _one(0x0121, "Missing attribute value", Meaning.REFUSED, "The peer misses the value of a required attribute."),
    _one(0x0122, "SOP Class not supported", Meaning.PERSON, "The peer does not store this SOP Class: allow it there or exclude it here."),
    _one(0x0124, "Not authorised", Meaning.PERSON, "The peer does not allow us to store: ask its administrator."),
    _one(0x0210, "Duplicate invocation", Meaning.LATER, "The peer was still busy with a message of the same number: it is sent again."),
    _one(0x0211, "Unrecognised operation", Meaning.PERSON, "The peer does not know C-STORE: check that it is a storage service."),
    _one(0x0212, "Mistyped argument", Meaning.REFUSED, "The peer found a value of the wrong type in the request."),
    _one(0x0213, "Resource limitation", Meaning.LATER, "The peer is short of resources: it is sent again."),
    Status(0xA700, 0xA7FF, "Out of resources", Meaning.LATER, "The peer is out of resources (disk, memory): it is sent again."),
    Status(0xA900, 0xA9FF, "Data set does not match SOP Class", Meaning.REFUSED, "The peer finds that the data set does not match its SOP Class."),
    Status(0xB000, 0xBFFF, "Warning", Meaning.STORED, "The peer stored the image after coercing or dropping elements."),
    Status(0xC000, 0xCFFF, "Cannot understand", Meaning.REFUSED, "The peer cannot understand the image."),
)  # fmt: skip


def explain(code: int) -> Status:
    """The row of the table; what no standard names is an image the peer did not take, for a person to see."""
    for status in TABLE:
        if status.first <= code <= status.last:
            return status
    return _one(
        code, "Unknown status", Meaning.PERSON, f"The peer answered 0x{code:04X}, which no standard names."
    )

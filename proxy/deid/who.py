"""Who is a person: issuer and Patient ID, trimmed; without a usable id, a person of one study.

Trimming is all that normalising does, because anything more could make one person of two. It carries a
version: a later way of reading an id must not change who was who.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
PADDING: Final = " \0\t\r\n"

PLACEHOLDERS: Final = frozenset(
    {
        "ANON",
        "ANONYMIZED",
        "ANONYMOUS",
        "DUMMY",
        "EMPTY",
        "ID",
        "N/A",
        "NA",
        "NIL",
        "NO ID",
        "NOID",
        "NONE",
        "NOT AVAILABLE",
        "NULL",
        "PATIENT",
        "PATIENT ID",
        "PATIENTID",
        "TEST",
        "UNDEFINED",
        "UNKNOWN",
        "UNKNOWN PATIENT",
        "UNSPECIFIED",
    }
)
"""What stands in Patient ID when nobody typed one, in upper case and without brackets around it."""

_NOTHING: Final = re.compile(r"0*|X+|[\W_]*")


@dataclass(frozen=True, slots=True)
class Who:
    """`issuer` and `patient_id` feed the pseudonym; `text` feeds the blind index. Never shown."""

    issuer: str
    patient_id: str
    per_study: bool

    @property
    def text(self) -> str:
        return json.dumps([VERSION, self.per_study, self.issuer, self.patient_id])

    def __repr__(self) -> str:
        return "Who(…)"


def who_is(issuer: str, patient_id: str, study_key: str) -> Who:
    known = normalise(patient_id)
    if is_placeholder(known):
        return Who(f"\x1fstudy\x1f{normalise(issuer)}", f"{known}\x1f{normalise(study_key)}", True)
    return Who(normalise(issuer), known, False)


def normalise(value: str) -> str:
    return value.strip(PADDING)


def is_placeholder(patient_id: str) -> bool:
    """True for an empty id and for what people type instead of one: zeros, crosses, dashes, UNKNOWN."""
    bare = patient_id.upper().strip("()[]<>{}*#.-_? ")
    return bare in PLACEHOLDERS or _NOTHING.fullmatch(bare) is not None

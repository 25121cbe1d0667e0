"""Study Root where a peer offers it, Patient Root otherwise: the two models of query and retrieve (PS3.4 C.6.1, C.6.2).

In Patient Root a patient stands above each study, and must be named for all that is below (PS3.4 C.4.1.2.2.1).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pynetdicom.presentation import build_context

from proxy.network.contexts import (
    PATIENT_ROOT_GET,
    PATIENT_ROOT_MOVE,
    PLAIN_SYNTAXES,
    STUDY_ROOT_GET,
    STUDY_ROOT_MOVE,
)
from proxy.network.conversing import Conversation
from proxy.network.finding import PATIENT_ROOT_FIND, STUDY_ROOT_FIND

Keys = Mapping[str, str | Sequence[str]]
FINDING: Final = (STUDY_ROOT_FIND, PATIENT_ROOT_FIND)
GETTING: Final = (STUDY_ROOT_GET, PATIENT_ROOT_GET)
MOVING: Final = (STUDY_ROOT_MOVE, PATIENT_ROOT_MOVE)
PATIENT_ROOTS: Final = frozenset({PATIENT_ROOT_FIND, PATIENT_ROOT_GET, PATIENT_ROOT_MOVE})
PATIENT: Final = "PatientID"


def contexts(roots: Sequence[str]) -> list[Any]:
    return [build_context(one, list(PLAIN_SYNTAXES)) for one in roots]


def offered(conversation: Conversation, roots: Sequence[str]) -> str:
    """The first of these that the peer takes; empty if it takes none."""
    return next((one for one in roots if conversation.takes(one)), "")


def fitted(root: str, keys: Keys) -> Keys:
    """In Study Root a Patient ID belongs to a study, and is a key of queries for studies only (PS3.4 C.6.2.1.2)."""
    of_studies = root == STUDY_ROOT_FIND and keys.get("QueryRetrieveLevel") == "STUDY"
    if root in PATIENT_ROOTS or of_studies:
        return keys
    return {keyword: value for keyword, value in keys.items() if keyword != PATIENT}


def lacks_patient(root: str, keys: Keys) -> bool:
    return root in PATIENT_ROOTS and not keys.get(PATIENT)

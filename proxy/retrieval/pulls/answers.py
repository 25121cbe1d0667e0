"""What a PACS answers to a selection, and whether it fits: some leave out keys that they do not know, and would have us
take the studies of others.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from proxy.network.inquiring import Answer
from proxy.retrieval.pulls.selection import Selection, is_uid

WITHOUT_UID = "without a Study Instance UID"
WITHOUT_PATIENT = "without a Patient ID, by which alone this PACS can be asked further"
WITHOUT_ISSUER = "without the issuer of their Patient ID: leave out --issuer, if this PACS knows none"
ANOTHER = "of another study than was asked for"
UNREADABLE = "that could not be read"


@dataclass(frozen=True, slots=True, repr=False)
class Listed:
    """A study that the PACS has; `images` is how many it says, if it says so. `patient` is the Patient ID by which
    alone a PACS of the Patient Root can be asked for it; for others it is not kept."""

    study: str
    images: int | None
    patient: str = ""


def keys_of(selection: Selection) -> Mapping[str, str]:
    """A C-FIND at the level of studies (PS3.4 C.6.1.1, C.6.2.1)."""
    issuer = {"IssuerOfPatientID": selection.issuer} if selection.issuer else {}
    return issuer | {
        "QueryRetrieveLevel": "STUDY",
        "StudyDate": selection.dates,
        "AccessionNumber": selection.accession,
        "ModalitiesInStudy": selection.modality,
        "PatientID": selection.patient,
        "StudyInstanceUID": selection.study,
        "NumberOfStudyRelatedInstances": "",
    }


def judged(selection: Selection, answer: Answer | None, *, by_patient: bool = False) -> Listed | str:
    """What it lists, or what is wrong with it."""
    if answer is None:
        return UNREADABLE
    uid, patient = _first(answer, "StudyInstanceUID"), _first(answer, "PatientID")
    if not uid or not is_uid(uid):
        return WITHOUT_UID
    if not _fits(selection, answer):
        return ANOTHER
    if selection.issuer and not _first(answer, "IssuerOfPatientID"):
        return WITHOUT_ISSUER
    if by_patient and not patient:
        return WITHOUT_PATIENT
    return Listed(uid, number(answer, "NumberOfStudyRelatedInstances"), patient if by_patient else "")


def _fits(selection: Selection, answer: Answer) -> bool:
    """ModalitiesInStudy is optional, and may be left out; all else must be as asked."""
    pairs = (
        (selection.patient, "PatientID"),
        (selection.accession, "AccessionNumber"),
        (selection.study, "StudyInstanceUID"),
    )
    same = all(not asked or asked.casefold() == _first(answer, key).casefold() for asked, key in pairs)
    issuer = _first(answer, "IssuerOfPatientID")
    same = same and (not selection.issuer or issuer.casefold() in ("", selection.issuer.casefold()))
    modalities = answer.get("ModalitiesInStudy", ())
    right = not selection.modality or not modalities or selection.modality in modalities
    return same and right and _within(selection.dates, _first(answer, "StudyDate"))


def _within(dates: str, day: str) -> bool:
    if not dates:
        return True
    first, dash, last = dates.partition("-")
    if not dash:
        return day == first
    return bool(day) and (not first or day >= first) and (not last or day <= last)


def number(answer: Answer, keyword: str) -> int | None:
    """Nobody has more than a million images in a study: such a count says nothing."""
    text = _first(answer, keyword)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _first(answer: Answer, keyword: str) -> str:
    values = answer.get(keyword, ())
    return values[0] if values else ""

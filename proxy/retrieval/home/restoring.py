"""A result gets its patient back, in memory, when a node of the hospital is there to take it."""

from pathlib import Path
from typing import Final

from django.conf import settings

from proxy.deid import Subject
from proxy.deid.homeward import (
    Level,
    Mentions,
    Originals,
    Parts,
    Unfit,
    header_of,
    learn,
    level_of,
    mentions,
    parts_of,
    renamed,
    restored,
)
from proxy.deid.homeward.lookup import STUDY_UID
from proxy.deid.seal import Opened as Seal
from proxy.retrieval.home import keeping, looking
from proxy.retrieval.models import Result
from proxy.studies.models import Instance
from proxy.vault.models import Person
from proxy.vault.pseudonyms import known_by
from proxy.vault.reidentify import VIEW, Behind, Identity, Principal, behind_result

_HEAD: Final = 8  # bytes of a UID's element before its value, in either VR encoding
HOME: Final = Principal("home", lambda permission: permission == VIEW, unlimited=True)
NO_SEAL: Final = "The seal of an image that it refers to is gone, so that reference has no way back."
NO_ID: Final = (
    "The Patient ID that the hospital has by now does not fit into the character set of its images."
)
NO_STUDY: Final = "No seal of its study is left: nothing says any more of whom it is."


def restored_data(result: Result) -> bytes:
    """Its data set. Leaves a mark. Raises Unfit, Forgotten, OSError, SealBroken, DeidError."""
    parts, said = _as_it_came(result)
    via = looking.speaker(result.project_id, result.study_uid, said.uids)
    behind = _behind(result, said, via)
    study = behind.uids.get(result.study_uid, result.study_uid)
    originals, level = _opened(behind, via, study)
    level = _under_its_id(level, behind.renamed)
    if said.study:
        originals.uids[said.study.encode("ascii")] = study.encode(
            "ascii"
        )  # one that the outside made up, too
    return restored(parts, originals, level, study)


def _as_it_came(result: Result) -> tuple[Parts, Mentions]:
    person = Person.objects.get(project_id=result.project_id, pseudonym=result.patient)
    data = keeping.read(result.path, known_by(person).unwrap)
    parts = parts_of(data, result.transfer_syntax, keeping.limits())
    return parts, mentions(parts)


def _behind(result: Result, said: Mentions, via: Instance | None) -> Behind:
    """What the vault knows of what it mentions, and of the image that speaks for its study."""
    wanted = said.uids | {result.study_uid} | ({via.uid} if via else set())
    purpose = f"result of {result.node.name}"
    behind = behind_result(HOME, result.uid, result.patient, wanted, result.project_id, purpose)
    if looking.images(result.project_id, said.uids) - set(behind.instances):
        raise Unfit(NO_SEAL)
    return behind


def _opened(behind: Behind, via: Instance | None, study: str) -> tuple[Originals, Level]:
    """One seal after the other, so that thousands of them are never in memory at once."""
    originals, level = Originals(), None
    originals.uids.update((ours.encode(), theirs.encode()) for ours, theirs in behind.uids.items())
    for uid, one in behind.opened():
        subject = one.known.subject
        seal = learn(originals, one.plain, subject)
        if level is None and (via is None or via.uid == uid):
            level = _level(via, seal, subject, study)
    if level is None:
        raise Unfit(NO_STUDY)
    return originals, level


def _under_its_id(level: Level, now: Identity | None) -> Level:
    """A PACS files by Patient ID: under one that the hospital has given up, nobody would find the result."""
    if now is None:
        return level
    found = renamed(level, now.patient_id, now.issuer)
    if found is None:
        raise Unfit(NO_ID)
    return found


def _level(via: Instance | None, seal: Seal, subject: Subject, study: str) -> Level | None:
    """None if this is an image of another study: those that are not in the index say themselves of which they are."""
    level = level_of(seal, _clean_header(via, seal) if via else None, subject)
    own = level.elements.get(STUDY_UID, b"")[_HEAD:].strip(b" \0")
    return level if via or own == study.encode("ascii") else None


def _clean_header(image: Instance, opened: Seal) -> Parts | None:
    """What its recipe left as it was; None once its file is gone."""
    path = Path(settings.DICOM_STORAGE_DIR) / "studies" / image.path
    try:
        with path.open("rb") as file:
            return header_of(file, opened.header)
    except FileNotFoundError:
        return None

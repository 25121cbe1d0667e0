"""A result gets its patient back, in memory, when a node of the hospital is there to take it."""

from collections.abc import Mapping
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
    restored,
)
from proxy.deid.homeward.lookup import STUDY_UID
from proxy.deid.seal import Opened as Seal
from proxy.retrieval.home import keeping, looking
from proxy.retrieval.models import Result
from proxy.studies.models import Instance
from proxy.vault.models import Person
from proxy.vault.pseudonyms import Known, known_by
from proxy.vault.reidentify import VIEW, Behind, Principal, behind_result

_HEAD: Final = 8  # bytes of a UID's element before its value, in either VR encoding
HOME: Final = Principal("home", lambda permission: permission == VIEW, unlimited=True)
NO_SEAL: Final = "The seal of an image that it refers to is gone, so that reference has no way back."
NO_STUDY: Final = "No seal of its study is left: nothing says any more of whom it is."


def restored_data(result: Result) -> bytes:
    """Its data set. Leaves a mark. Raises Unfit, Forgotten, OSError, SealBroken, DeidError."""
    parts, said = _as_it_came(result)
    via = looking.speaker(result.project_id, result.study_uid, said.uids)
    behind = _behind(result, said, via)
    originals, read = _originals(behind)
    study = originals.uids.get(result.study_uid.encode("ascii"), result.study_uid.encode("ascii"))
    if said.study:
        originals.uids[said.study.encode("ascii")] = study  # one that the outside made up means this one
    level = _level(behind, read, via, study)
    return restored(parts, originals, level, study.decode("ascii"))


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
    if looking.images(result.project_id, said.uids) - behind.seals.keys():
        raise Unfit(NO_SEAL)
    return behind


def _originals(behind: Behind) -> tuple[Originals, Mapping[str, Seal]]:
    originals = Originals()
    read = {uid: learn(originals, one.plain, _subject(one.known)) for uid, one in behind.seals.items()}
    originals.uids.update((ours.encode(), theirs.encode()) for ours, theirs in behind.uids.items())
    return originals, read


def _level(behind: Behind, read: Mapping[str, Seal], via: Instance | None, study: bytes) -> Level:
    """By the seal of an image of this study; images that are not in the index say themselves of which they are."""
    for uid in [via.uid] if via else sorted(read):
        if uid in read:
            clean = _clean_header(via, read[uid]) if via else None
            level = level_of(read[uid], clean, _subject(behind.seals[uid].known))
            if via or level.elements.get(STUDY_UID, b"")[_HEAD:].strip(b" \0") == study:
                return level
    raise Unfit(NO_STUDY)


def _subject(known: Known) -> Subject:
    return Subject(known.pseudonym, known.shift_days, known.uid_key)


def _clean_header(image: Instance, opened: Seal) -> Parts | None:
    """What its recipe left as it was; None once its file is gone."""
    path = Path(settings.DICOM_STORAGE_DIR) / "studies" / image.path
    try:
        with path.open("rb") as file:
            return header_of(file, opened.header)
    except FileNotFoundError:
        return None

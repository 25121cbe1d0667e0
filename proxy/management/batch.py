"""De-identify files and folders: one bad file never ends the batch, and nothing identified is written.

Names of files and folders may be names of persons: they are not kept. A clean file lies under its pseudonym and its
new UIDs. The person comes from the project's vault and the seal goes there, so that the way back stays open.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from proxy.deid import Clean, DeidError, Engine, Facts, Subject
from proxy.deid.library import HeldError, deidentify_file
from proxy.routing.models import Project
from proxy.storage.errors import StorageFull, full_is_said
from proxy.vault import pseudonyms, seals
from proxy.vault.models import Seal
from proxy.vault.pseudonyms import Known

CLEAN, HELD, REFUSED, NOT_DICOM = "clean", "held", "refused", "not DICOM"
PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one file. The reason is a sentence without identity."""

    kind: str
    reason: str = ""


def found(source: Path) -> list[Path]:
    """The file, or all files below the folder, in a steady order."""
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file())


def deidentified(files: list[Path], target: Path, engine: Engine, project: Project) -> Iterator[Fate]:
    """One fate for each file, in order; everything is on disk for good when the last one has come."""
    workshop = target / f".deidentify-{secrets.token_hex(6)}"
    workshop.mkdir(mode=0o700)
    try:
        for path in files:
            yield _one(path, workshop / "next.dcm", target, engine, project)
        os.sync()
    finally:
        shutil.rmtree(workshop)


def _one(path: Path, beside: Path, target: Path, engine: Engine, project: Project) -> Fate:
    if not _is_dicom(path):
        return Fate(NOT_DICOM, "This is no DICOM file; it was not copied.")
    met: list[Known] = []

    def subject(facts: Facts) -> Subject:
        met.append(_person(facts, project))
        return Subject(met[0].pseudonym, met[0].shift_days, met[0].uid_key)

    try:
        with full_is_said():
            clean = deidentify_file(path, beside, engine, subject)
    except HeldError as held:
        return Fate(HELD, held.clean.holds[0].reason)
    except DeidError as error:
        return Fate(REFUSED, f"{type(error).__name__}: {error}")
    except pseudonyms.Nameless:
        return Fate(REFUSED, "It names neither a patient nor a study.")
    except (OSError, StorageFull) as error:
        beside.unlink(missing_ok=True)
        return Fate(REFUSED, error.strerror or "It cannot be read.")
    return _placed(beside, target, clean, met[0])


def _is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _person(facts: Facts, project: Project) -> Known:
    issuer = facts.issuer or project.issuer
    name = {"name": facts.patient_name}
    return pseudonyms.person_for(project.pk, issuer, facts.patient_id, name, facts.study_uid)


def _placed(beside: Path, target: Path, clean: Clean, known: Known) -> Fate:
    """First the seal, then the name: no clean file without its way back."""
    parts = [_value(clean, tag) for tag in (PATIENT_ID, STUDY_UID, SERIES_UID, SOP_UID)]
    if not all(parts):
        beside.unlink()
        return Fate(REFUSED, "A UID of study, series or instance is missing.")
    _seal(known, parts[3], clean.seal)
    final = target.joinpath(*parts[:3], f"{parts[3]}.dcm")
    final.parent.mkdir(parents=True, exist_ok=True)
    beside.rename(final)
    return Fate(CLEAN)


def _seal(known: Known, uid: str, plain: bytes) -> None:
    with transaction.atomic():
        if not Seal.objects.filter(project_id=known.project_id, sop_uid=uid).exists():
            seals.keep([seals.seal_row(known, known.project_id, uid, plain)])


def _value(clean: Clean, tag: int) -> str:
    return clean.values.get(tag, b"").decode("ascii", "replace").strip(" \0").replace("/", "_")

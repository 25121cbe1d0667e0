"""What one process does with a group of files: clean each, seal all in one transaction, say what became of them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from django.db import DatabaseError, IntegrityError

from proxy.deid import Clean, DeidError, Engine, Facts, HeldError, Subject
from proxy.deid.cleaning import Cleaned, IsDirectory, NotDicom, cleaned
from proxy.deid.who import normalise, who_is
from proxy.management.batch import mapping, sealing
from proxy.management.batch.fates import CLEAN, DIRECTORY, HELD, NOT_DICOM, REFUSED, Done, Fate, Uids
from proxy.management.batch.finding import size_of
from proxy.management.batch.sealing import Draft
from proxy.storage.errors import SealBroken, full_is_said
from proxy.storage.keys import KeysMissing
from proxy.vault import pseudonyms
from proxy.vault.models import UidPair
from proxy.vault.pseudonyms import Forgotten, Known, Nameless

Numbered = tuple[int, Path]
STUDY_UID, SERIES_UID, SOP_UID, FRAME_UID = 0x0020000D, 0x0020000E, 0x00080018, 0x00200052
NOBODY: Final = Subject("ANON-DRYRUNDRYRUNDRYR", 1, bytes(32))
AGAIN: Final = 5


@dataclass(frozen=True, slots=True)
class Work:
    """What is the same for every file; without a workshop nothing is written anywhere (a dry run)."""

    engine: Engine
    project_id: int
    issuer: str
    source: Path
    workshop: Path | None
    map_kind: str = ""
    counts: bool = False


def do(work: Work, files: Sequence[Numbered]) -> list[Done]:
    """One for each file, in order; all that is clean is sealed for good when this returns. Raises nothing: a
    traceback of a process that ends could show values."""
    tries = [_tried(work, number, path) for number, path in files]
    drafts = [(done, draft) for done, draft in tries if draft is not None]
    try:
        lost = _sealed(work.project_id, drafts) if drafts else {}
    except Exception as trouble:
        reason = f"Something unexpected while sealing: {type(trouble).__name__}."
        lost = {done.number: _refused(done, reason) for done, _ in drafts}
    return [lost.get(done.number, done) for done, _ in tries]


def _sealed(project_id: int, drafts: Sequence[tuple[Done, Draft]]) -> dict[int, Done]:
    """All in one transaction; where that cannot be, each on its own. Those that have no seal are refused."""
    try:
        sealing.keep(project_id, [draft for _, draft in drafts])
    except (DatabaseError, Forgotten, SealBroken, KeysMissing, OSError):
        tried = [(done, _alone(project_id, draft)) for done, draft in drafts]
        return {done.number: _refused(done, reason) for done, reason in tried if reason}
    return {}


def _alone(project_id: int, draft: Draft) -> str:
    """Why it has no seal; empty if it has one. A faster process's seal is read and compared the next time."""
    reason = "Other processes kept writing the same seal."
    for attempt in range(AGAIN):
        try:
            sealing.keep(project_id, [draft])
            return ""
        except IntegrityError:
            time.sleep(0.01 * attempt)
        except Forgotten:
            return "Its person was forgotten meanwhile; do it again."
        except (DatabaseError, SealBroken, KeysMissing, OSError) as error:
            return f"Its seal could not be kept ({type(error).__name__}); run doctor."
    return reason


def _refused(done: Done, reason: str) -> Done:
    if done.part is not None:
        done.part.unlink(missing_ok=True)
    return Done(done.number, Fate(REFUSED, reason), done.size)


def _tried(work: Work, number: int, path: Path) -> tuple[Done, Draft | None]:
    """Nothing that a file can bring about ends the batch."""
    part = work.workshop / f"{number}.part" if work.workshop else None
    met: list[Known] = []
    try:
        size = path.stat().st_size
        with full_is_said:
            result = _one(work, path, part, met)
        return _clean(work, (number, path), Done(number, Fate(CLEAN), size, part), met, result)
    except Exception as trouble:
        if part is not None:
            part.unlink(missing_ok=True)
        return Done(number, _fate(trouble), size_of(path)), None


def _fate(trouble: Exception) -> Fate:
    for kinds, fate in _KNOWN:
        if isinstance(trouble, kinds):
            return fate
    if isinstance(trouble, HeldError):
        return Fate(HELD, trouble.clean.holds[0].reason)
    if isinstance(trouble, DeidError):
        return Fate(REFUSED, f"{type(trouble).__name__}: {trouble}")
    if isinstance(trouble, OSError):
        return Fate(REFUSED, trouble.strerror or "It cannot be read.")
    return Fate(REFUSED, f"Something unexpected: {type(trouble).__name__}.")


class Incomplete(Exception):
    """It does not say which study, series and instance it is."""


_KNOWN: Final[Sequence[tuple[type[Exception], Fate]]] = (
    (NotDicom, Fate(NOT_DICOM, "This is no DICOM file; it was not copied.")),
    (IsDirectory, Fate(DIRECTORY, "A DICOMDIR is never passed; one can be made anew.")),
    (Nameless, Fate(REFUSED, "It names neither a patient nor a study.")),
    (Incomplete, Fate(REFUSED, "A UID of study, series or instance is missing.")),
    (DatabaseError, Fate(REFUSED, "The database could not be reached; do it again.")),
)


def _one(work: Work, path: Path, part: Path | None, met: list[Known]) -> Cleaned:
    with path.open("rb") as source:
        if part is None:
            return cleaned(source, None, work.engine, _guess(work))
        with part.open("wb") as out:
            return cleaned(source, out, work.engine, _meeting(work, met))


def _meeting(work: Work, met: list[Known]) -> Callable[[Facts], Subject]:
    def subject(facts: Facts) -> Subject:
        name = {"name": facts.patient_name}
        issuer = facts.issuer or work.issuer
        known = pseudonyms.person_for(work.project_id, issuer, facts.patient_id, name, facts.study_uid)
        met.append(known)
        return known.subject

    return subject


def _guess(work: Work) -> Callable[[Facts], Subject]:
    """For a dry run, which meets nobody and asks no vault."""

    def subject(facts: Facts) -> Subject:
        who = who_is(facts.issuer or work.issuer, facts.patient_id, facts.study_uid)
        if who.per_study and not normalise(facts.study_uid):
            raise Nameless
        return NOBODY

    return subject


def _clean(
    work: Work, file: Numbered, done: Done, met: list[Known], result: Cleaned
) -> tuple[Done, Draft | None]:
    """The folder's name is the pseudonym, also where a rule keeps the Patient ID in the image."""
    clean, facts = result.clean, result.facts
    patient = met[0].pseudonym if met else NOBODY.pseudonym
    uids = Uids(patient, *(_value(clean, tag) for tag in (STUDY_UID, SERIES_UID, SOP_UID)))
    if not (uids.study and uids.series and uids.instance):
        raise Incomplete
    done = replace(done, uids=uids, changes=dict(clean.report.actions) if work.counts else {})
    if not met or done.part is None:
        return done, None
    pairs = {uids.study: (UidPair.STUDY, facts.study_uid), uids.series: (UidPair.SERIES, facts.series_uid)}
    if frame := _value(clean, FRAME_UID):
        pairs[frame] = (UidPair.FRAME, facts.frame_uid)
    draft = Draft(met[0], uids.instance, clean.seal, done.part, pairs)
    if work.map_kind:
        done = replace(done, row=mapping.row(work.map_kind, met[0], facts, uids, _within(work, file[1])))
    return done, draft


def _within(work: Work, path: Path) -> str:
    return path.name if path == work.source else str(path.relative_to(work.source))


def _value(clean: Clean, tag: int) -> str:
    return clean.values.get(tag, b"").decode("ascii", "replace").strip(" \0").replace("/", "_")

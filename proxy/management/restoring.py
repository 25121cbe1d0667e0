"""Give clean files their identity back, byte for byte, for somebody who may and says why."""

from collections.abc import Iterator
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from proxy.deid import DeidError, WrongSeal, restore_file
from proxy.management.batch import sealing
from proxy.management.batch.fates import NOT_DICOM, REFUSED, Fate
from proxy.routing.models import Project
from proxy.storage.errors import SealBroken
from proxy.vault import reidentify
from proxy.vault.reidentify import Principal, Unknown
from proxy.vault.seals import Forgotten, NoSeal

RESTORED = "restored"
TAGS = ["SOPInstanceUID"]


def restored(
    files: list[Path], source: Path, target: Path, project: Project, who: Principal, purpose: str
) -> Iterator[Fate]:
    """One fate for each file. Raises NotAllowed before anything is opened."""
    for path in files:
        place = target / (path.relative_to(source) if source.is_dir() else path.name)
        yield _one(path, place, project, who, purpose)


def _one(path: Path, place: Path, project: Project, who: Principal, purpose: str) -> Fate:
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=TAGS)
        uid = str(header.SOPInstanceUID)
    except (InvalidDicomError, AttributeError, OSError):
        return Fate(NOT_DICOM, "This is no DICOM file that we made.")
    try:
        names = sealing.versions(project.pk, uid, path.read_bytes())
        _restore(path, place, names, project, who, purpose)
    except (Unknown, NoSeal, Forgotten, SealBroken, DeidError) as error:
        return Fate(REFUSED, str(error))
    except OSError as error:
        return Fate(REFUSED, error.strerror or "It could not be written.")
    return Fate(RESTORED)


def _restore(
    path: Path, place: Path, names: list[str], project: Project, who: Principal, purpose: str
) -> None:
    """By the seal of this very file: other recipes may have made more of one UID."""
    wrong = WrongSeal("none of its seals belongs to this file")
    for name in names:
        opened = reidentify.restore_instance(who, name, project.pk, purpose)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            restore_file(path, place, opened.plain)
            return
        except WrongSeal as error:
            wrong = error
    raise wrong

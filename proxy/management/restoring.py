"""Give clean files their identity back, byte for byte, for somebody who may and says why."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from proxy.deid import DeidError, WrongSeal, restore_elements, restore_file, split
from proxy.deid.restore import new_head, write_original
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
        remark = _restore(path, place, names, project, who, purpose)
    except (Unknown, NoSeal, Forgotten, SealBroken, DeidError) as error:
        return Fate(REFUSED, str(error))
    except OSError as error:
        return Fate(REFUSED, error.strerror or "It could not be written.")
    return Fate(RESTORED, remark)


def _restore(
    path: Path, place: Path, names: list[str], project: Project, who: Principal, purpose: str
) -> str:
    """By the seal of this very file: other recipes may have made more of one UID. A remark where there is one."""
    seals = []
    for name in names:
        seals.append(reidentify.restore_instance(who, name, project.pk, purpose).plain)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(WrongSeal):
            restore_file(path, place, seals[-1])
            return ""
    return _reunite(path, place, seals)


def _reunite(path: Path, place: Path, seals: list[bytes]) -> str:
    """A file that was changed since we made it: element by element, with the seal of which most fits."""
    parts = split(path.read_bytes())
    done = []
    for seal in seals:
        with suppress(WrongSeal):
            done.append(restore_elements(bytes(parts.dataset), parts.syntax, seal))
    if not done:
        raise WrongSeal("none of its seals belongs to this file")
    best = max(done, key=lambda one: (one.put_back, -one.left))
    write_original(place, [new_head(best.data, best.transfer_syntax), best.data])
    return (
        f"It was changed since we made it: {best.put_back} attributes have their original value again, "
        f"{best.left} stay as the change left them, {best.lost} had no place any more."
    )

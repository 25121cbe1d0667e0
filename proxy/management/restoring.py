"""Give clean files their identity back, byte for byte in the data set, for somebody who may and says why."""

import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

from proxy.deid import DeidError, WrongSeal, make_meta, original_syntax, restore, split
from proxy.management.batch import sealing
from proxy.management.batch.fates import NOT_DICOM, REFUSED, Fate
from proxy.routing.models import Project
from proxy.storage.errors import SealBroken
from proxy.vault import reidentify
from proxy.vault.reidentify import Principal, Unknown
from proxy.vault.seals import Forgotten, NoSeal

RESTORED = "restored"
TAGS = ["SOPClassUID", "SOPInstanceUID"]


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
        uid, sop_class = str(header.SOPInstanceUID), str(header.SOPClassUID)
    except (InvalidDicomError, AttributeError, OSError):
        return Fate(NOT_DICOM, "This is no DICOM file that we made.")
    try:
        content = path.read_bytes()
        parts = split(content)
        names = sealing.versions(project.pk, uid, content)
        data, syntax = _original(bytes(parts.dataset), parts.syntax, names, project, who, purpose)
    except (Unknown, NoSeal, Forgotten, SealBroken, DeidError) as error:
        return Fate(REFUSED, str(error))
    try:
        _write(place, make_meta(sop_class, _original_uid(data, syntax), syntax), data)
    except OSError as error:
        return Fate(REFUSED, error.strerror or "It could not be written.")
    return Fate(RESTORED)


def _original(
    clean: bytes, syntax: str, names: list[str], project: Project, who: Principal, purpose: str
) -> tuple[bytes, str]:
    """And its transfer syntax, by the seal of this very file: other recipes may have made more of one UID."""
    wrong = WrongSeal("none of its seals belongs to this file")
    for name in names:
        opened = reidentify.restore_instance(who, name, project.pk, purpose)
        try:
            return restore(clean, syntax, opened.plain), original_syntax(opened.plain, syntax)
        except WrongSeal as error:
            wrong = error
    raise wrong


def _original_uid(data: bytes, syntax: str) -> str:
    """From the restored data set, read as a file of its own."""
    whole = make_meta("", "", syntax) + data
    return str(
        dcmread(BytesIO(whole), stop_before_pixels=True, specific_tags=TAGS, force=True).SOPInstanceUID
    )


def _write(place: Path, meta: bytes, data: bytes) -> None:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = place.with_name(place.name + ".part")
    beside.unlink(missing_ok=True)  # of a crash
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(meta)
        out.write(data)
    beside.rename(place)

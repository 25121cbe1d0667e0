"""A second look at an image whose SOP Instance UID is known but whose bytes differ: is it the same, encoded otherwise?

The hot path compares digests of the bytes as they came. Only when they differ is the known image restored, in memory,
and both are compared attribute by attribute. Whatever cannot be restored or read is another image: it is held.
"""

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from proxy.deid import DeidError, original_syntax, restore, restored_pieces, split
from proxy.deid.canonical import Canonical, canonical
from proxy.storage.errors import SealBroken
from proxy.studies import index
from proxy.studies.index import OTHER_CONTENT, RECOMPRESSED, Conflict, Duplicate
from proxy.studies.models import Instance
from proxy.vault import seals

LARGEST_COMPARED = 1 << 30


def second_look(
    project_id: int, uid: str, original: Iterable[bytes], size: int, transfer_syntax: str
) -> Duplicate | Conflict:
    """What the second image is, once encodings are looked through; it comes in pieces, `size` bytes in all."""
    known = index.find(project_id, uid)
    if known is None or max(known.size, size) > LARGEST_COMPARED:
        return OTHER_CONTENT
    try:
        ours, syntax = _canonical(known)
        theirs = canonical(original, transfer_syntax)
    except (OSError, DeidError, SealBroken, seals.NoSeal, seals.Forgotten):
        return OTHER_CONTENT
    if ours.header != theirs.header:
        return OTHER_CONTENT
    if ours.bulk == theirs.bulk:
        return Duplicate(known.pk)
    return RECOMPRESSED if syntax != transfer_syntax else OTHER_CONTENT


def _canonical(known: Instance) -> tuple[Canonical, str]:
    """Of the image as it came, and its transfer syntax then."""
    with _file(known).open("rb") as file:
        start = file.read(1 << 16)
        clean = split(start)
        file.seek(len(start) - len(clean.dataset))
        seal = seals.open_seal(known.project_id, known.uid)
        syntax = original_syntax(seal, clean.syntax)
        return canonical(restored_pieces(file, clean.syntax, seal), syntax), syntax


def _file(known: Instance) -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "studies" / known.path


def as_sent(known: Instance) -> tuple[bytes, str]:
    """The data set as it came, and its transfer syntax then. Raises what keeps it from being restored."""
    clean = split(_file(known).read_bytes())
    seal = seals.open_seal(known.project_id, known.uid)
    return restore(bytes(clean.dataset), clean.syntax, seal), original_syntax(seal, clean.syntax)

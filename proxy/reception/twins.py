"""A second look at an image whose SOP Instance UID is known but whose bytes differ: is it the same, encoded otherwise?

The hot path compares digests of the bytes as they came. Only when they differ is the known image restored, in memory,
and both are compared attribute by attribute. Whatever cannot be restored or read is another image: it is held.
"""

from pathlib import Path

from django.conf import settings

from proxy.deid import DeidError, original_syntax, restore, split
from proxy.deid.canonical import canonical
from proxy.storage.errors import SealBroken
from proxy.studies import index
from proxy.studies.index import OTHER_CONTENT, RECOMPRESSED, Conflict, Duplicate
from proxy.studies.models import Instance
from proxy.vault import seals

LARGEST_COMPARED = 1 << 30


def second_look(project_id: int, uid: str, original: bytes, transfer_syntax: str) -> Duplicate | Conflict:
    """What the second image is, once encodings are looked through."""
    known = index.find(project_id, uid)
    if known is None or max(known.size, len(original)) > LARGEST_COMPARED:
        return OTHER_CONTENT
    try:
        sent, syntax = as_sent(known)
        ours, theirs = canonical(sent, syntax), canonical(original, transfer_syntax)
    except (OSError, DeidError, SealBroken, seals.NoSeal, seals.Forgotten):
        return OTHER_CONTENT
    if ours.header != theirs.header:
        return OTHER_CONTENT
    if ours.bulk == theirs.bulk:
        return Duplicate(known.pk)
    return RECOMPRESSED if syntax != transfer_syntax else OTHER_CONTENT


def as_sent(known: Instance) -> tuple[bytes, str]:
    """The data set as it came, and its transfer syntax then. Raises what keeps it from being restored."""
    file = Path(settings.DICOM_STORAGE_DIR) / "studies" / known.path
    clean = split(file.read_bytes())
    seal = seals.open_seal(known.project_id, known.uid)
    return restore(bytes(clean.dataset), clean.syntax, seal), original_syntax(seal, clean.syntax)

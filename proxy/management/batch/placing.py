"""Give a clean file its name. What is there is never replaced: the same content stays, other content lies beside."""

import filecmp
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from proxy.management.batch.naming import Naming
from proxy.storage.files import NO_LINKS

STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class Placed:
    """Where below the target; `beside` if another file of that name had other content."""

    place: PurePosixPath
    beside: bool = False


def put(part: Path, target: Path, place: PurePosixPath, naming: Naming) -> Placed:
    """Moves `part` to its place. Raises OSError."""
    if _took(part, target / place):
        return Placed(place)
    other = naming.other(place, _digest(part))
    if _took(part, target / other):
        return Placed(other, True)
    raise FileExistsError(17, "Files of its name with other content are there already.")


def _took(part: Path, final: Path) -> bool:
    """True if the name is now this content's."""
    final.parent.mkdir(parents=True, exist_ok=True)
    try:
        _link(part, final)
    except FileExistsError:
        if not final.is_file() or not filecmp.cmp(part, final, shallow=False):
            return False
    part.unlink(missing_ok=True)
    return True


def _link(part: Path, final: Path) -> None:
    """A link never replaces; where a file system has none, a look and a rename: only one process gives names."""
    try:
        os.link(part, final)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        if final.exists():
            raise FileExistsError from None
        part.rename(final)


def _digest(path: Path) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(STEP):
            digest.update(piece)
    return digest.digest()

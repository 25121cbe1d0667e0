"""Make a backup while everybody works: first the database, then the files that it names.

Files are written once, and retention pauses, so what the snapshot names is still there when its turn comes; a file
that came after the snapshot is taken along and does no harm.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from proxy.audit import actions, anchors
from proxy.audit.record import record
from proxy.management.backups import databases, escrow
from proxy.management.backups.archive import About, Manifest, Writer
from proxy.management.backups.places import missing, newest, roots
from proxy.retention.pausing import paused
from proxy.storage.files import PART


@dataclass(frozen=True, slots=True)
class Made:
    archive: Path
    manifest: Manifest
    missing: int
    """Files that the database names and the disk has not: `doctor` says which."""


def name_for(now: datetime) -> str:
    return f"postern-{now:%Y%m%dT%H%M%SZ}.tar"


def make(target: Path, now: datetime, actor: str) -> Made:
    """Raises KeysMissing, DatabaseTrouble, OSError; leaves nothing behind then."""
    about = About(
        now.isoformat(), settings.PROXY_VERSION, databases.engine(), escrow.fingerprints(settings.KEY_DIR)
    )
    until = newest()
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with paused():
        manifest = _written(target, about)
        made = Made(target, manifest, missing({part.name for part in manifest.parts}, until))
    _mark(made, actor)
    anchors.anchor(anchors.file())
    return made


def _mark(made: Made, actor: str) -> None:
    """What cannot be marked is not handed out."""
    try:
        detail = {"files": len(made.manifest.parts), "missing": made.missing}
        record(actions.BACKED_UP, actor=actor, detail=detail)
    except BaseException:
        made.archive.unlink(missing_ok=True)
        raise


def _written(target: Path, about: About) -> Manifest:
    with Writer(target) as writer:
        _add_database(writer)
        for name, file in _files():
            _add_if_there(writer, name, file)
        return writer.finish(about)


def _add_database(writer: Writer) -> None:
    with tempfile.TemporaryDirectory(dir=writer.target.parent, prefix=".snapshot-") as folder:
        copy = Path(folder) / "snapshot"
        databases.snapshot(copy)
        writer.add(databases.NAMES[databases.engine()], copy)


def _add_if_there(writer: Writer, name: str, file: Path) -> None:
    """One that a person has just let out of quarantine is no loss; `missing` counts what should be there."""
    if file.exists():
        writer.add(name, file)


def _files() -> Iterator[tuple[str, Path]]:
    for prefix, root in roots():
        for folder, _, names in os.walk(root):
            for name in sorted(names):
                file = Path(folder) / name
                if not name.startswith(".") and not name.endswith(PART) and file.is_file():
                    yield f"{prefix}/{file.relative_to(root)}", file

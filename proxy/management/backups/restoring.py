"""Restore onto an empty machine. Everything is proved before anything is put in its place.

The keys come first and by another way: under other keys than those of the backup nothing is restored, because
nobody in it could be identified and everybody would get a new pseudonym.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection

from proxy.audit import actions, anchors, guard
from proxy.audit.record import record
from proxy.management.backups import databases, escrow
from proxy.management.backups.archive import About, Manifest, unpack
from proxy.management.backups.places import roots
from proxy.quarantine.models import HeldItem
from proxy.studies.models import Study
from proxy.vault import forgotten
from proxy.vault.forget import erase_again
from proxy.vault.forgotten import Listed
from proxy.vault.models import Person, ProjectKey
from proxy.vault.projects import project_key


class CannotRestore(Exception):
    """The sentence says what stands in the way; nothing was changed."""


def restore(archive: Path, actor: str) -> Manifest:
    """Expects tables, made by `migrate`, and nothing in them. Raises CannotRestore, Damaged, KeysMissing."""
    _must_be_empty()
    gone = forgotten.listed()
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR, prefix=".restore-") as scratch:
        folder = Path(scratch)
        manifest = unpack(archive, folder)
        _must_fit(manifest.about)
        _place_files(folder)
        databases.put_back(folder / databases.NAMES[manifest.about.engine])
        os.sync()
    call_command("migrate", interactive=False, verbosity=0)
    _forget_again(gone)
    guard.install(connection)  # a dump knows no rights: of PostgreSQL's function everybody would have them
    _prove_keys()
    anchors.forget(anchors.file())
    record(
        actions.RESTORED,
        actor=actor,
        detail={
            "made_at": manifest.about.made_at,
            "files": len(manifest.parts),
        }
        | anchors.left_behind(anchors.file()),
    )
    return manifest


def _must_be_empty() -> None:
    if any(model.objects.exists() for model in (Study, HeldItem, Person)):
        raise CannotRestore("This database is in use: restore onto an empty DATA_DIR and an empty database.")
    if any(root.exists() and any(root.iterdir()) for _, root in roots()):
        raise CannotRestore("There are images under DATA_DIR already: restore onto an empty one.")


def _must_fit(about: About) -> None:
    if about.engine != databases.engine():
        raise CannotRestore(f"This backup is of {about.engine}: set DATABASE_ENGINE={about.engine}.")
    if escrow.fingerprints(settings.KEY_DIR) != dict(about.keys):
        raise CannotRestore(
            "The keys in KEY_DIR are not those of this backup: put them back first (see --keys)."
        )


def _place_files(folder: Path) -> None:
    for name, root in roots():
        if (folder / name).exists():
            root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copytree(folder / name, root, copy_function=_move, dirs_exist_ok=True)


def _move(source: str, target: str) -> None:
    shutil.move(source, target)


def _forget_again(gone: Iterable[Listed]) -> None:
    """Who was forgotten after the backup was made stays so. Before anything else that may fail: nobody restores twice,
    and whoever is there then is known to the whole house."""
    for one in gone:
        erase_again(one)


def _prove_keys() -> None:
    """The master keys open what came back."""
    for number in ProjectKey.objects.values_list("project_id", flat=True):
        project_key(number)

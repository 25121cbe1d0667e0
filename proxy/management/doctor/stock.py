"""Do index, files and seals say the same? What a crash may leave is young or has no row; the rest is a loss.

Everything is read in pages, folder by folder, so that a million images cost time and not memory.
"""

import os
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from proxy.management.doctor.findings import Finding, count, fail, ok, warn
from proxy.quarantine import keeping
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.retention import images
from proxy.retention.pausing import free_to_remove
from proxy.retrieval.home import keeping as results
from proxy.retrieval.home.lifecycle import CLAIMED, REFUSED, WAITING
from proxy.retrieval.models import Result
from proxy.storage import files
from proxy.studies.lifecycle import EXPIRED
from proxy.studies.models import Instance
from proxy.vault import seals
from proxy.vault.models import Seal

HOUR = 3600.0
PAGE = 1000


def studies_folder() -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "studies"


def examine_images() -> Iterator[Finding]:
    lost = sum(1 for path in _image_paths() if not (studies_folder() / path).is_file())
    orphans = image_orphans()
    if lost:
        yield fail("images", f"{count(lost, 'file')} of the index gone from disk; restore from a backup.")
    if orphans:
        yield _left_over("images", image_orphans, orphans)
    if not lost and not orphans:
        yield ok("images", "every row has its file, every file its row.")
    yield from _expired()


def _expired() -> Iterator[Finding]:
    """What expired, and is not gone: its row says who removes it, or said so once."""
    waiting = images.unfinished().filter(ended_at__lt=timezone.now() - timedelta(seconds=HOUR)).count()
    left = expired_files()
    if waiting:
        said = f"{count(waiting, 'expired revision')} with files to be removed: `work` does it"
        yield warn("images", f"{said}, unless a backup is being made.", _finish)
    if left:
        yield _left_over("images", expired_files, left, "it expired, and came back with a restore;")


def _finish() -> str:
    with free_to_remove() as free:
        if not free:
            return "Nothing was removed: a backup is being made, or `work` is at it."
        return f"Removed {count(images.finish(timezone.now(), lambda: True), 'expired image')}."


def examine_quarantine() -> Iterator[Finding]:
    held = HeldItem.objects.filter(state=HELD)
    lost = sum(1 for path in _paths(held) if not (keeping.folder() / path).is_file())
    orphans = held_orphans()
    if lost:
        yield fail("quarantine", f"{count(lost, 'held image')} without a file; restore from a backup.")
    if orphans:
        yield _left_over("quarantine", held_orphans, orphans)
    if not lost and not orphans:
        yield ok("quarantine", f"{count(held.count(), 'image')} held, all files in place.")


def examine_results() -> Iterator[Finding]:
    """What was made outside and is not home yet."""
    open_ones = Result.objects.filter(homecomings__state__in=[WAITING, CLAIMED, REFUSED]).distinct()
    lost = sum(1 for path in _paths(open_ones) if not (results.folder() / path).is_file())
    orphans = result_orphans()
    if lost:
        yield fail(
            "results", f"{count(lost, 'result')} on the way home without a file; restore from a backup."
        )
    if orphans:
        yield _left_over("results", result_orphans, orphans)
    if not lost and not orphans:
        yield ok("results", f"{count(open_ones.count(), 'result')} on the way home, all files in place.")


def examine_seals() -> Iterator[Finding]:
    found = [*_sealed_files(), *_seals_and_instances()]
    yield from found or [ok("seals", "every image has its seal, every seal its image and file.")]


def _sealed_files() -> Iterator[Finding]:
    rows = Seal.objects.exclude(path="")
    lost = sum(1 for path in _paths(rows) if not (seals.vault_root() / path).is_file())
    if lost:
        yield fail("seals", f"{count(lost, 'sealed file')} gone from disk; restore from a backup.")
    orphans = sealed_orphans()
    if orphans:
        yield _left_over("seals", sealed_orphans, orphans)


def _seals_and_instances() -> Iterator[Finding]:
    pictured = Instance.objects.filter(project_id=OuterRef("project_id"), uid=OuterRef("sop_uid"))
    own = Seal.objects.filter(project_id=OuterRef("project_id"), sop_uid=OuterRef("uid"))
    without_image = Seal.objects.filter(~Exists(pictured)).count()
    without_seal = Instance.objects.filter(~Exists(own), revision__seals_gone_at=None).count()
    if without_seal:
        yield fail("seals", f"{count(without_seal, 'image')} without a seal: no way back to the original.")
    if without_image:
        yield ok(
            "seals",
            f"{count(without_image, 'seal')} of no image in the index: `deidentify` made these files.",
        )


def examine_leftovers() -> Iterator[Finding]:
    """Files that a crash left half-written. Younger ones may still be written."""
    roots = [
        studies_folder(),
        keeping.folder(),
        results.folder(),
        seals.vault_root(),
        Path(settings.ARCHIVE_DIR),
    ]
    old = [path for root in roots for path in root.rglob(f"*{files.PART}") if _is_old(path)]

    def sweep() -> str:
        return f"Removed {count(sum(files.sweep(root, HOUR) for root in roots), 'half-written file')}."

    if old:
        yield warn("leftovers", f"{count(len(old), 'half-written file')} of an earlier crash.", sweep)
    else:
        yield ok("leftovers", "no crash has left a half-written file.")


def image_orphans() -> list[Path]:
    return list(_orphans(studies_folder(), Instance.objects.all()))


def expired_files() -> list[Path]:
    """Files of images whose row says that its file is gone."""
    gone = Instance.objects.exclude(revision__files_gone_at=None)
    return [path for path in _files(studies_folder(), gone, named=True) if _is_old(path)]


def held_orphans() -> list[Path]:
    """Also what came back although its row says that it is gone."""
    return list(_orphans(keeping.folder(), HeldItem.objects.filter(file_gone_at=None)))


def result_orphans() -> list[Path]:
    """Also what came back although its row says that it is gone."""
    return list(_orphans(results.folder(), Result.objects.filter(file_gone_at=None)))


def sealed_orphans() -> list[Path]:
    return list(seals.orphans(HOUR, time.time()))


CRASHED = "a crash before the commit leaves such;"


def _left_over(area: str, look: Callable[[], list[Path]], found: list[Path], why: str = CRASHED) -> Finding:
    """Nobody heard Success for these, or nobody needs them any more."""

    def remove() -> str:
        """Looked at again: what got its row meanwhile stays."""
        gone = sum(files.remove(path) for path in set(look()) & set(found))
        return f"Removed {count(gone, 'file')} ({area})."

    which = "that no row names" if why is CRASHED else "that should be gone"
    return warn(area, f"{count(len(found), 'file')} {which}: {why} remove with --repair.", remove)


def _image_paths() -> Iterator[str]:
    return _paths(Instance.objects.exclude(revision__state=EXPIRED))


def _paths(
    rows: "QuerySet[Instance] | QuerySet[HeldItem] | QuerySet[Result] | QuerySet[Seal]",
) -> Iterator[str]:
    """In pages by key: no long read keeps a writer waiting."""
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", "path")[:PAGE]):
        yield from (path for _, path in page)
        last = page[-1][0]


def _orphans(
    root: Path, rows: "QuerySet[Instance] | QuerySet[HeldItem] | QuerySet[Result]"
) -> Iterator[Path]:
    """Whole files older than an hour whose name stands in no row."""
    return (path for path in _files(root, rows, named=False) if _is_old(path))


def _files(
    root: Path, rows: "QuerySet[Instance] | QuerySet[HeldItem] | QuerySet[Result]", *, named: bool
) -> Iterator[Path]:
    """Whole files that these rows name, or do not."""
    for folder, _, names in os.walk(root):
        whole = [Path(folder) / name for name in names if not name.endswith(files.PART)]
        for chunk in _chunks(whole):
            known = _known(rows, [str(path.relative_to(root)) for path in chunk])
            yield from (path for path in chunk if (str(path.relative_to(root)) in known) == named)


def _known(rows: "QuerySet[Instance] | QuerySet[HeldItem] | QuerySet[Result]", paths: list[str]) -> set[str]:
    return set(rows.filter(path__in=paths).values_list("path", flat=True))


def _chunks(paths: list[Path], size: int = 500) -> Iterable[list[Path]]:
    return (paths[start : start + size] for start in range(0, len(paths), size))


def _is_old(path: Path) -> bool:
    try:
        return path.stat().st_mtime < time.time() - HOUR
    except FileNotFoundError:
        return False

"""Where downloads lie: a folder for each dispatch below DATA_DIR, all of it pseudonymous as it came.

A whole archive stays while its dispatch waits for its next try, so that a node which is away costs no second download.
All that waits so is at most as large as one archive may be, and goes when the disk gets tight: it can be fetched again.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from proxy.backend import dispatches
from proxy.storage.space import free

ARCHIVE: Final = "archive"
IMAGES: Final = "images"


def folder() -> Path:
    return Path(settings.DATA_DIR) / "dispatches"


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of one dispatch."""

    path: Path

    @property
    def archive(self) -> Path:
        """There only when it is whole."""
        return self.path / ARCHIVE

    @property
    def images(self) -> Path:
        return self.path / IMAGES

    def prepare(self) -> None:
        """Of what an earlier try left, nothing but a whole archive stays."""
        self.clear(keep_archive=self.archive.is_file())
        self.images.mkdir(mode=0o700, parents=True)

    def clear(self, *, keep_archive: bool) -> None:
        if not keep_archive:
            shutil.rmtree(self.path, ignore_errors=True)
            return
        for one in self.path.iterdir():
            if one != self.archive:
                _remove(one)


def place_of(pk: int) -> Place:
    return Place(folder() / str(pk))


def shed(limit: int, watermark: int) -> int:
    """Remove waiting archives, the oldest first, until they are within both bounds (in bytes); how many went."""
    waiting = sorted(_waiting(), key=lambda one: one[0])
    total, gone = sum(size for _, size, _ in waiting), 0
    for _, size, place in waiting:
        if total <= limit and free(folder()) > watermark:
            break
        place.clear(keep_archive=False)
        total, gone = total - size, gone + 1
    return gone


def _waiting() -> Iterator[tuple[float, int, Place]]:
    """When it came, its size, and where it lies."""
    for path in folder().glob("*"):
        place = Place(path)
        if path.name.isdigit() and not dispatches.is_running(int(path.name)):
            with suppress(OSError):  # there is none, or it goes just now
                facts = place.archive.stat()
                yield facts.st_mtime, facts.st_size, place


def forget_over() -> None:
    """Remove what is of no dispatch that waits or runs: a person who sends one again gets what the backend has then."""
    for path in folder().glob("*"):
        if not path.name.isdigit() or dispatches.is_over(int(path.name)):
            _remove(path)


def sweep() -> None:
    """At a start: also what a killed process left of those that wait."""
    forget_over()
    for path in folder().glob("*"):
        if not dispatches.is_running(int(path.name)):
            Place(path).clear(keep_archive=(path / ARCHIVE).is_file())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)

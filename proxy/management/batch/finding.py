"""The files of a batch, in a steady order, in groups that one process does together."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

GROUP: Final = 16
GROUP_BYTES: Final = 32 << 20


@dataclass(slots=True)
class Found:
    """`closed` counts folders that cannot be looked into."""

    files: list[Path] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    closed: int = 0

    @property
    def has_directory(self) -> bool:
        return any(path.name.upper() == "DICOMDIR" for path in self.files)


def found(source: Path) -> list[Path]:
    """The file, or all files below the folder, in a steady order."""
    return find(source).files


def find(source: Path) -> Found:
    seen = Found()
    if source.is_file():
        seen.files = [source]
    else:
        seen.files = sorted(_below(source, seen))
    seen.sizes = [size_of(path) for path in seen.files]
    return seen


def _below(source: Path, seen: Found) -> Iterator[Path]:
    def closed(_: OSError) -> None:
        seen.closed += 1

    for folder, _, names in os.walk(source, onerror=closed):
        yield from (path for name in names if (path := Path(folder, name)).is_file())


def size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def groups(seen: Found, jobs: int) -> Iterator[list[tuple[int, Path]]]:
    """Small enough that every process gets some, and that a large file does not keep others waiting."""
    most = max(1, min(GROUP, len(seen.files) // (jobs * 2)))
    group: list[tuple[int, Path]] = []
    held = 0
    for number, (path, size) in enumerate(zip(seen.files, seen.sizes, strict=True), start=1):
        group.append((number, path))
        held += size
        if len(group) == most or held >= GROUP_BYTES:
            yield group
            group, held = [], 0
    if group:
        yield group

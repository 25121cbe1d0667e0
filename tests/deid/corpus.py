"""Real files of pydicom and pydicom-data (and, where POSTERN_CORPUS says so, of many vendors)."""

import os
from importlib.util import find_spec
from pathlib import Path

from proxy.deid import Part10, Subject, Unreadable, split

SUBJECT = Subject("ANON-ABCDEFGHIJKLMNOP", 100, b"k" * 32)


def _folder(package: str, *below: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent.joinpath(*below)


def paths() -> list[Path]:
    folders = [_folder("pydicom", "data"), _folder("data_store")]
    extra = os.environ.get("POSTERN_CORPUS")
    if extra:
        folders.append(Path(extra))
    found = (path for folder in folders for path in folder.rglob("*"))
    return sorted(path for path in found if path.is_file() and path.suffix not in (".py", ".pyc"))


def part10(path: Path) -> Part10 | None:
    """None for what is no Part 10 file."""
    try:
        return split(path.read_bytes())
    except Unreadable:
        return None


def real_files() -> list[tuple[str, Part10]]:
    return [(path.name, parts) for path in paths() if (parts := part10(path))]

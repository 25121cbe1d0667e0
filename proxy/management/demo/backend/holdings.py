"""What the platform has of subjects, sessions and scans: read from the manifests of what was uploaded.

A file's name in an archive is PATIENT/STUDY/SERIES/INSTANCE.dcm, so these are the ids of subject, session and scan.
"""

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from proxy.management.demo.backend.uploads import Archive

LEVELS: Final = {"subjects": 1, "sessions": 2, "scans": 3}


@dataclass(frozen=True)
class File:
    """An image, and the archive in which it lies."""

    name: str
    archive: Archive

    @property
    def ids(self) -> tuple[str, ...]:
        """Of its subject, session and scan."""
        return tuple(self.name.split("/")[:3])


def files(archives: Iterable[Archive]) -> Iterator[File]:
    for archive in archives:
        try:
            named = [one["name"] for one in archive.manifest()["files"]]
        except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError):
            continue  # not one of ours: nothing is known of what is in it
        yield from (File(name, archive) for name in named if name.count("/") == 3)


def listed(found: Iterable[File], kind: str) -> list[dict[str, Any]]:
    """Each entity of this kind with its id, the ids above it, and how many images it has."""
    entities: dict[tuple[str, ...], int] = {}
    for one in found:
        key = one.ids[: LEVELS[kind]]
        entities[key] = entities.get(key, 0) + 1
    return [_facts(key) | {"images": count} for key, count in entities.items()]


def _facts(key: tuple[str, ...]) -> dict[str, Any]:
    above = dict(zip(("subject_id", "session_id"), key[:-1], strict=False))
    return {"id": key[-1], **above}


def chosen(found: Iterable[File], kind: str, entity: str, within: Mapping[str, str]) -> list[File]:
    """The images of an entity; `within` may name its subject_id and session_id."""
    at = LEVELS[kind] - 1
    above = [
        (level, within[name]) for level, name in enumerate(("subject_id", "session_id")) if name in within
    ]
    return [one for one in found if one.ids[at] == entity and all(one.ids[n] == said for n, said in above)]


# --- an archive of them ---------------------------------------------------------------------------


def packed(chosen_files: Iterable[File], form: str, level: int) -> Path:
    """A temporary file that whoever gets it removes."""
    with tempfile.NamedTemporaryFile(suffix=f".{form}", delete=False) as out:
        place = Path(out.name)
    FORMS[form](place, chosen_files, level)
    return place


def _zip(place: Path, chosen_files: Iterable[File], level: int) -> None:
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as out:
        for one in chosen_files:
            with _opened(one) as (content, _), out.open(one.name, "w") as member:
                shutil.copyfileobj(content, member)


def _tar(place: Path, chosen_files: Iterable[File], level: int) -> None:
    with tarfile.open(place, "w:gz", compresslevel=level) as out:
        for one in chosen_files:
            with _opened(one) as (content, size):
                info = tarfile.TarInfo(one.name)
                info.size = size
                out.addfile(info, content)


@contextmanager
def _opened(one: File) -> Iterator[tuple[IO[bytes], int]]:
    with zipfile.ZipFile(one.archive.path) as source, source.open(one.name) as content:
        yield content, source.getinfo(one.name).file_size


FORMS: Final[Mapping[str, Callable[[Path, Iterable[File], int], None]]] = {"zip": _zip, "tar.gz": _tar}

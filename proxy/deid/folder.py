"""From folder to folder, for scripts: one bad file never ends the batch, and nothing identified is written.

Names of files and folders may be names of persons: they are not kept. A clean file lies under its pseudonym and its
new UIDs. What is no DICOM is not copied.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from proxy.deid.context import Subject
from proxy.deid.engine import Engine
from proxy.deid.errors import DeidError
from proxy.deid.facts import Facts
from proxy.deid.library import HeldError, deidentify_file
from proxy.deid.passing import Clean

CLEAN: Final = "clean"
HELD: Final = "held"
REFUSED: Final = "refused"
NOT_DICOM: Final = "not DICOM"
_PLACE: Final = (0x00100020, 0x0020000D, 0x0020000E, 0x00080018)
SOP_UID: Final = 0x00080018

Person: TypeAlias = Callable[[Facts], Subject]
Keep: TypeAlias = Callable[[str, bytes], None]  # (pseudonymous SOP Instance UID, seal)


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one file. The reason is a sentence without identity; `path` is the clean file's."""

    kind: str
    reason: str = ""
    path: Path | None = None


def found(source: Path) -> list[Path]:
    """The file, or all files below the folder, in a steady order."""
    if source.is_file():
        return [source]
    return sorted(path for path in source.rglob("*") if path.is_file())


def is_dicom(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(132)[128:] == b"DICM"
    except OSError:
        return False


def deidentify_folder(
    source: Path, target: Path, engine: Engine, subject: Person, keep_seal: Keep | None = None
) -> Iterator[Fate]:
    """One fate for each file of `source` (or for the one file), in a steady order.

    `keep_seal` gets each seal before its clean file has a name. Raises DeidError if one folder lies in the other.
    """
    refuse_nesting(source, target)
    files = found(source)
    target.mkdir(parents=True, exist_ok=True)
    workshop = target / f".deidentify-{secrets.token_hex(6)}"
    workshop.mkdir(mode=0o700)
    try:
        for path in files:
            yield _one(path, workshop / "next.dcm", engine, subject, _Placing(target, keep_seal))
        os.sync()
    finally:
        shutil.rmtree(workshop)


def deidentify_one(
    source: Path, target: Path, engine: Engine, subject: Person, keep_seal: Keep | None = None
) -> Fate:
    """One file to exactly this path, which may not be there yet."""
    if target.exists():
        return Fate(REFUSED, "There is something at the target already.")
    return _one(
        source,
        target.with_name(f".{secrets.token_hex(6)}.dcm"),
        engine,
        subject,
        _Placing(target, keep_seal, exact=True),
    )


def refuse_nesting(source: Path, target: Path) -> None:
    """Clean and identified files may not mix."""
    if not source.exists():
        raise DeidError("IN is not there.")
    inside, outside = source.resolve(), target.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise DeidError("IN and OUT may not lie in each other.")


@dataclass(frozen=True, slots=True)
class _Placing:
    """Where a clean file goes: first its seal, then its name."""

    target: Path
    keep_seal: Keep | None
    exact: bool = False

    def path_of(self, clean: Clean) -> Path | None:
        parts = [value_of(clean, tag) for tag in _PLACE]
        if self.exact:
            return self.target
        return self.target.joinpath(*parts[:3], f"{parts[3]}.dcm") if all(parts) else None

    def __call__(self, beside: Path, clean: Clean) -> Fate:
        final = self.path_of(clean)
        if final is None:
            return Fate(REFUSED, "A UID of study, series or instance is missing.")
        if self.keep_seal:
            self.keep_seal(value_of(clean, SOP_UID), clean.seal)
        final.parent.mkdir(parents=True, exist_ok=True)
        beside.rename(final)
        return Fate(CLEAN, path=final)


def _one(path: Path, beside: Path, engine: Engine, subject: Person, place: _Placing) -> Fate:
    if not is_dicom(path):
        return Fate(NOT_DICOM, "This is no DICOM file; it was not copied.")
    try:
        return place(beside, deidentify_file(path, beside, engine, subject))
    except HeldError as held:
        return Fate(HELD, held.clean.holds[0].reason)
    except DeidError as error:
        return Fate(REFUSED, f"{type(error).__name__}: {error}")
    except OSError as error:
        return Fate(REFUSED, error.strerror or "It cannot be read.")
    finally:
        beside.unlink(missing_ok=True)


def value_of(clean: Clean, tag: int) -> str:
    """A clean value as a part of a path."""
    text = clean.values.get(tag, b"").decode("ascii", "replace").strip(" \0")
    text = text.replace("/", "_").replace("\\", "_")
    return "_" if text in (".", "..") else text

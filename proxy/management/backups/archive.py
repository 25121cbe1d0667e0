"""A tar file whose last member is the list of all others with their digests; nothing is believed without it."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import BinaryIO

MANIFEST = "manifest.json"
FORMAT = 1
CHUNK = 1 << 20


class Damaged(Exception):
    """This archive is not what was written; the message names the member, which is a pseudonymous path."""


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class About:
    """What is said of the whole: when, by which version, of which database, under which keys."""

    made_at: str
    version: str
    engine: str
    keys: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    about: About
    parts: tuple[Part, ...]

    @property
    def size(self) -> int:
        return sum(part.size for part in self.parts)

    def text(self) -> bytes:
        whole = {"format": FORMAT, **asdict(self.about), "parts": [asdict(part) for part in self.parts]}
        return json.dumps(whole, indent=1).encode()


class _Digesting:
    """Passes bytes on and digests them on the way."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.digest = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.source.read(size)
        self.digest.update(data)
        return data


class Writer:
    """Writes beside and gives the name at the end: an archive under its name is whole."""

    def __init__(self, target: Path) -> None:
        self.target, self.beside = target, target.with_name(target.name + ".part")
        self.parts: list[Part] = []
        handle = os.open(self.beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self.file = os.fdopen(handle, "wb")
        self.tar = tarfile.open(fileobj=self.file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - ours to close

    def add(self, name: str, file: Path) -> None:
        with file.open("rb") as source:
            info = _info(name, os.fstat(source.fileno()).st_size)
            through = _Digesting(source)
            self.tar.addfile(info, through)
        self.parts.append(Part(name, info.size, through.digest.hexdigest()))

    def finish(self, about: About) -> Manifest:
        manifest = Manifest(about, tuple(self.parts))
        text = manifest.text()
        self.tar.addfile(_info(MANIFEST, len(text)), io.BytesIO(text))
        self.tar.close()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        self.beside.replace(self.target)
        _sync(self.target.parent)
        return manifest

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()
        self.beside.unlink(missing_ok=True)


def unpack(archive: Path, folder: Path) -> Manifest:
    """Lay every member into the folder, and prove each one by its digest. Raises Damaged."""
    found: dict[str, Part] = {}
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for member in tar:
                found[member.name] = _lay(tar, member, folder)
    except (tarfile.TarError, EOFError):
        raise Damaged("This file is not a whole backup of Postern.") from None
    return _proved(folder, found)


def _lay(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> Part:
    place = PurePosixPath(member.name)
    source = tar.extractfile(member)
    if source is None or not member.isreg() or place.is_absolute() or ".." in place.parts:
        raise Damaged("This backup holds something that no backup of Postern holds.")
    target = folder / place
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while data := source.read(CHUNK):
            digest.update(data)
            file.write(data)
    return Part(member.name, target.stat().st_size, digest.hexdigest())


def _proved(folder: Path, found: dict[str, Part]) -> Manifest:
    if found.pop(MANIFEST, None) is None:
        raise Damaged("This backup has no manifest at its end: it was not finished.")
    manifest = _read((folder / MANIFEST).read_bytes())
    wrong = {part.name for part in manifest.parts if found.get(part.name) != part}
    wrong |= set(found) - {part.name for part in manifest.parts}
    if wrong:
        raise Damaged(
            f"{len(wrong)} members of this backup are not as they were written; first: {min(wrong)}."
        )
    return manifest


def _read(text: bytes) -> Manifest:
    try:
        whole = json.loads(text)
        parts = tuple(Part(**part) for part in whole.pop("parts"))
        if whole.pop("format") != FORMAT:
            raise Damaged("This backup was made by a newer Postern; restore it with that one.")
        return Manifest(About(**whole), parts)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Damaged("The manifest of this backup cannot be read.") from None


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

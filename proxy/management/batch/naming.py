"""Where a clean file lies below OUT: never under a name that was given by people."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from proxy.management.batch.fates import Uids
from proxy.vault.projects import project_key

MEDIA_ROOM: Final = 7  # a component of a File ID has eight characters: PS3.10 8.5


@dataclass(frozen=True, slots=True)
class ByUids:
    """Pseudonym, study, series and instance: what any archive would choose."""

    def place(self, within: Path, uids: Uids) -> PurePosixPath:
        return PurePosixPath(uids.patient, uids.study, uids.series, f"{uids.instance}.dcm")

    def other(self, place: PurePosixPath, content: bytes) -> PurePosixPath:
        return place.with_name(f"{place.stem}-{content.hex()[:12]}.dcm")


@dataclass(frozen=True, slots=True)
class AsItWas(ByUids):
    """The same tree, each name a keyed token: what lay in one folder still does."""

    key: bytes = field(repr=False, default=b"")

    def place(self, within: Path, uids: Uids) -> PurePosixPath:
        *folders, file = (self._token(name) for name in within.parts)
        return PurePosixPath(*folders, f"{file}.dcm")

    def _token(self, name: str) -> str:
        digest = hmac.digest(self.key, name.encode("utf-8", "surrogateescape"), "sha256")
        return base64.b32encode(digest[:10]).decode("ascii")


@dataclass(frozen=True, slots=True)
class ForMedia:
    """File IDs of eight upper case characters, made of the new UIDs, so that the same images get the same ones."""

    def place(self, within: Path, uids: Uids) -> PurePosixPath:
        return PurePosixPath(*(_component(*pair) for pair in zip("PTSI", _values(uids), strict=True)))

    def other(self, place: PurePosixPath, content: bytes) -> PurePosixPath:
        return place.with_name(_component("I", content.hex()))


@dataclass(frozen=True, slots=True)
class OneFile(ByUids):
    """The name that was asked for."""

    name: str = ""

    def place(self, within: Path, uids: Uids) -> PurePosixPath:
        return PurePosixPath(self.name)


Naming = ByUids | ForMedia


def as_it_was(project_id: int) -> AsItWas:
    """With a key of its own, derived from the project's."""
    return AsItWas(hmac.digest(project_key(project_id), b"file names", "sha256"))


def _values(uids: Uids) -> tuple[str, ...]:
    return uids.patient, uids.study, uids.series, uids.instance


def _component(letter: str, value: str) -> str:
    digest = hashlib.sha256(value.encode()).digest()
    return letter + base64.b32encode(digest[:5]).decode("ascii")[:MEDIA_ROOM]

"""The story of a request: files come, are cleaned while they come, and lie in a ZIP when the last byte was read.

One bad file never ends a request. What ends it is trouble of the request as a whole (`troubles`), or ours: then the ZIP
is thrown away, and nothing is charged.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

from proxy.deid import Clean, Engine, Facts, Subject
from proxy.deid.cleaning import cleaned
from proxy.reception.budget import NoMemory, Share
from proxy.service import spool
from proxy.service.archives import File, files_in
from proxy.service.fates import CLEAN, Fate, Fates, Incomplete, counts, fate_of, token
from proxy.service.packing import Entry, Zip
from proxy.service.sources import Readable, Room
from proxy.service.troubles import Busy
from proxy.service.unzipping import BrokenArchive
from proxy.storage.errors import StorageFull
from proxy.vault import pseudonyms

Named = tuple[str, Readable]
"""A part of a request: the sender's name for it, and its content."""

STUDY_UID, SERIES_UID, SOP_UID = 0x0020000D, 0x0020000E, 0x00080018
REPORT: Final = "report.json"
BUFFERS: Final = 3 << 20  # bytes that a file costs beside its header


def full() -> Busy:
    """A new one each time, like all that is raised: its traceback would keep what a request held."""
    return Busy("no-room", "There is no room for the answer; try again later.", 60.0)


def no_memory() -> Busy:
    return Busy("busy", "Too much is being worked on just now; try again.", 10.0)


@dataclass(frozen=True, slots=True)
class Order:
    """What a request is done with, and within which bounds. `secret`: under which names of files become tokens."""

    engine: Engine
    project_id: int
    issuer: str
    secret: str = field(repr=False)
    room: Room
    share: Share
    has_left: Callable[[int], None]  # is told how many are clean by now; raises where those are too many
    digests: bool = False  # whether the same request is to be recognised when it comes again


class Unmeasured:
    """In the place of a digest of pixels, which only an index asks for."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Nobody asks."""

    def digest(self) -> bytes:
        return bytes(32)


@dataclass(slots=True)
class Upload:
    """`all_of` does the work, `close_with` ends the ZIP."""

    order: Order
    zip: Zip
    fates: Fates = field(default_factory=Fates)
    _places: Counter[str] = field(default_factory=Counter, init=False)
    _digest: Any = field(default_factory=hashlib.sha256, init=False)

    def all_of(self, parts: Iterable[Named]) -> None:
        """Raises Trouble, and what says that something of ours is away."""
        try:
            for name, content in parts:
                self._part(name, self._seen(content))
        except StorageFull:
            raise full() from None
        except NoMemory:
            raise no_memory() from None
        finally:
            self.order.share.release()

    @property
    def digest(self) -> str:
        """Of what came, however it was divided; only if the order asks for it."""
        return str(self._digest.hexdigest())

    def digest_all(self, parts: Iterable[Named]) -> str:
        """Only of what came, for a request that may be known."""
        for _, content in parts:
            seen = self._seen(content)
            while seen.read(spool.MEGABYTE):
                pass
        return self.digest

    def close_with(self, more: dict[str, Any]) -> int:
        """The report goes in last; the size of the ZIP. Raises Busy."""
        try:
            entry = self.zip.begin()
            entry.writelines([json.dumps({**more, **self._report()}, indent=1).encode("ascii")])
            entry.keep(REPORT)
            return self.zip.finish()
        except StorageFull:
            raise full() from None

    def _report(self) -> dict[str, Any]:
        return {**counts(self.fates), "files": [fate.said() for fate in self.fates.all]}

    def _seen(self, content: Readable) -> Readable:
        return _Digested(content, self._digest) if self.order.digests else content

    def _part(self, name: str, content: Readable) -> None:
        """An archive that breaks in its middle is one bad file behind those that were whole."""
        try:
            for file in files_in(content, name, self.order.room):
                self._file(file)
        except Exception as error:
            kind, reason = fate_of(error)
            self._add(kind, reason, name)
        while content.read(spool.MEGABYTE):  # what follows is another part, or nothing
            pass

    def _file(self, file: File) -> None:
        if not spool.has_room():
            raise full()
        entry = self.zip.begin()
        try:
            stem, place = self._cleaned(file, entry)
        except (BrokenArchive, EOFError):
            entry.take_back()
            raise  # this file is the archive's last
        except Exception as error:
            entry.take_back()
            kind, reason = fate_of(error)
            self._add(kind, reason, file.name)
            return
        entry.keep(place)
        self._places[stem] += 1
        self._add(CLEAN, "", file.name, place)
        self.order.has_left(self.fates.processed)

    def _cleaned(self, file: File, entry: Entry) -> tuple[str, str]:
        met: list[str] = []
        found = cleaned(
            file.content,
            entry,
            self.order.engine,
            self._who(met),
            digest=Unmeasured(),
            weigh=lambda size: self.order.share.hold(size + BUFFERS),
        )
        return self._place(met[0], found.clean)

    def _who(self, met: list[str]) -> Callable[[Facts], Subject]:
        def subject(facts: Facts) -> Subject:
            issuer, name = facts.issuer or self.order.issuer, {"name": facts.patient_name}
            known = pseudonyms.person_for(
                self.order.project_id, issuer, facts.patient_id, name, facts.study_uid
            )
            met.append(known.pseudonym)
            return known.subject

        return subject

    def _place(self, patient: str, clean: Clean) -> tuple[str, str]:
        """As any archive would: by pseudonym and new UIDs. The same image twice has two places."""
        uids = [_value(clean, tag) for tag in (STUDY_UID, SERIES_UID, SOP_UID)]
        if not all(uids):
            raise Incomplete
        stem = str(PurePosixPath(patient, *uids))
        again = self._places[stem]
        return stem, f"{stem}-{again + 1}.dcm" if again else f"{stem}.dcm"

    def _add(self, kind: str, reason: str, name: str, place: str = "") -> None:
        number = len(self.fates.all) + 1
        self.fates.add(Fate(number, kind, reason, place, token(self.order.secret, name)))


def _value(clean: Clean, tag: int) -> str:
    """As a part of a path."""
    text = clean.values.get(tag, b"").decode("ascii", "replace").strip(" \0")
    return "" if text.strip(".") == "" else text.replace("/", "_").replace("\\", "_")[:64]


@dataclass(slots=True)
class _Digested:
    """All that is read of a part; its end counts too, so that two parts are not taken for one."""

    origin: Readable
    whole: Any
    _own: Any = field(default_factory=hashlib.sha256, init=False)
    _over: bool = field(default=False, init=False)

    def read(self, size: int) -> bytes | memoryview:
        piece = self.origin.read(size)
        self._own.update(piece)
        if not piece and not self._over:
            self._over = True
            self.whole.update(self._own.digest())
        return piece

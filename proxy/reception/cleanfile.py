"""The clean bytes of one image: in memory while they are few, in a file beside its place once they are many.

Nothing comes here before the header was de-identified and let through, so what is written early is as clean as what
is written late. Most images are small and are written in one call; a large one costs a bounded buffer.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from proxy.reception import rows
from proxy.storage.files import Buffer, Staged, stage

EARLY: Final = 1 << 20
"""From so many bytes on they are written while the image still comes."""


@dataclass(slots=True)
class CleanFile:
    folder: Path  # of all studies
    project_id: int
    size: int = field(init=False, default=0)  # of the data set
    _head: bytes = field(init=False, default=b"")  # preamble and File Meta
    _pieces: list[Buffer] = field(init=False, default_factory=list)
    _waiting: int = field(init=False, default=0)
    _staged: Staged | None = field(init=False, default=None)
    _path: str = field(init=False, default="")

    def begin(self, head: bytes) -> None:
        self._head = head

    def add(self, pieces: Sequence[Buffer], values: Mapping[int, bytes]) -> None:
        """Raises StorageFull."""
        added = sum(len(piece) for piece in pieces)
        self._pieces.extend(pieces)
        self.size += added
        self._waiting += added
        if self._staged is not None or self._waiting > EARLY:
            self._write(values)

    def _write(self, values: Mapping[int, bytes]) -> Staged:
        if self._staged is None:
            self._path = self._place(values)
            self._staged = stage(self.folder, self._path)
            self._staged.write([self._head])
        self._staged.write(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        return self._staged

    def _place(self, values: Mapping[int, bytes]) -> str:
        """The random part keeps a second image from touching the first one's file."""
        study, uid = rows.plain(values, rows.STUDY_UID), rows.plain(values, rows.SOP_UID)
        return f"{self.project_id}/{study}/{uid}-{secrets.token_hex(6)}.dcm"

    def finish(self, values: Mapping[int, bytes]) -> str:
        """The file is durable under this path below the folder."""
        self._write(values).settle()
        return self._path

    @contextmanager
    def data(self) -> Iterator[BinaryIO]:
        """The data set, to be read from its start; also once it has its name."""
        if self._staged is None:
            yield BytesIO(b"".join(self._pieces))
            return
        there = self._staged.target if self._staged.named else self._staged.part
        with there.open("rb") as file:
            file.seek(len(self._head))
            yield file

    def discard(self) -> None:
        """Harmless once it has its name: that stays."""
        self._pieces.clear()
        if self._staged is not None:
            self._staged.discard()

"""The clean bytes of one image, in a file beside its place while the rest of the image still comes.

Nothing comes here before the header was de-identified and let through, so what is written early is as clean as what
is written late. An image of any size costs one bounded buffer, in which most have room (`proxy/storage/direct.py`).
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from proxy.reception import rows
from proxy.storage.files import Buffer, Staged, stage
from proxy.storage.followed import followed


@dataclass(slots=True)
class CleanFile:
    folder: Path  # of all studies
    project_id: int
    size: int = field(init=False, default=0)  # of the data set
    _head: bytes = field(init=False, default=b"")  # preamble and File Meta
    _staged: Staged | None = field(init=False, default=None)
    _path: str = field(init=False, default="")

    def begin(self, head: bytes) -> None:
        self._head = head

    def add(self, pieces: Sequence[Buffer], values: Mapping[int, bytes]) -> None:
        """The pieces are free afterwards. Raises StorageFull."""
        if self._staged is None:
            self._path = self._place(values)
            self._staged = stage(self.folder, self._path)
            self._staged.write([self._head])
        self.size += self._staged.write(pieces)

    def _place(self, values: Mapping[int, bytes]) -> str:
        """The random part keeps a second image from touching the first one's file."""
        study, uid = rows.plain(values, rows.STUDY_UID), rows.plain(values, rows.SOP_UID)
        return f"{self.project_id}/{study}/{uid}-{secrets.token_hex(6)}.dcm"

    def finish(self) -> str:
        """The file is durable under this path below the folder."""
        self._begun().settle()
        return self._path

    @contextmanager
    def data(self, behind: Sequence[Buffer] = ()) -> Iterator[BinaryIO]:
        """The data set, to be read from its start; also once it has its name. `behind`: its end, if that may not be
        written."""
        staged = self._begun()
        staged.flush()
        with (staged.target if staged.named else staged.part).open("rb") as file:
            file.seek(len(self._head))
            yield followed(file, behind)

    def _begun(self) -> Staged:
        if self._staged is None:
            raise RuntimeError("nothing clean was added")
        return self._staged

    def discard(self) -> None:
        """Harmless once it has its name: that stays."""
        if self._staged is not None:
            self._staged.discard()

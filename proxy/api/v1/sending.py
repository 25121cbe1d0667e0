"""A file on its way out. What was taken for it is given back when it was sent, or when its reader was too slow."""

import io
from contextlib import ExitStack
from typing import Any

from proxy.api.ranges import Range
from proxy.service.watch import WATCH


class Sent(io.FileIO):
    """A part of a file, which may be all of it; the server sends it without a copy, and closes it."""

    def __init__(self, handle: int, part: Range, connection: Any, held: ExitStack) -> None:
        super().__init__(handle, "rb")
        self.seek(part.start)
        self._end, self._held = part.end, held
        held.callback(WATCH.over, WATCH.writing(connection, lambda: part.end - part.start))

    def read(self, size: int | None = -1, /) -> bytes:
        """For a server that sends by itself: not past the end of the part."""
        left = max(self._end - self.tell(), 0)
        return bytes(super().read(left if size is None or size < 0 else min(size, left)))

    def close(self) -> None:
        super().close()
        self._held.close()

"""What a pass is made of: its limits, its buffers, and the guard that lets nothing pass by luck."""

from dataclasses import dataclass, field
from typing import Final

from proxy.deid.errors import DeidError, EngineFault, Unreadable
from proxy.deid.splice import Splice
from proxy.deid.stream import More


@dataclass(frozen=True, slots=True)
class Limits:
    header: int = 64 << 20
    inflated: int = 4 << 30
    masked: int = 512 << 20  # pixel data that are masked are in memory
    reading: float = 30.0  # seconds that looking for letters in masked pixels may take


class _FailClosed:
    """Anything unexpected is our fault, said without values."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, trouble: BaseException | None, trace: object
    ) -> None:
        if isinstance(trouble, More):
            raise Unreadable(f"the data set ends inside the element at offset {trouble.args[0]}") from None
        if isinstance(trouble, Exception) and not isinstance(trouble, DeidError):
            raise EngineFault(f"de-identification failed: {type(trouble).__name__}") from None


fail_closed: Final = _FailClosed()


@dataclass(slots=True)
class Part:
    """A buffer (header or trailer) on its way."""

    pieces: list[bytes] = field(default_factory=list)
    size: int = 0
    looked: int = 0  # size at the last, unsuccessful look
    original: bytes = b""  # little endian
    clean: bytes = b""
    splice: Splice | None = None

    def add(self, view: memoryview) -> None:
        self.pieces.append(bytes(view))
        self.size += len(view)

    def raw(self) -> bytes:
        """All of it as one piece."""
        if len(self.pieces) != 1:
            self.pieces = [b"".join(self.pieces)]
        return self.pieces[0]

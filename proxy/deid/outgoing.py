"""Clean bytes go out, each once, in order: header, pixel data, trailer. Pixels that are masked wait until the end."""

from proxy.deid import bigendian, intact
from proxy.deid.context import Hold
from proxy.deid.deflated import Deflated
from proxy.deid.intact import Mac
from proxy.deid.masking import Masking
from proxy.deid.syntaxes import BIG_ENDIAN


class Outgoing:
    """Of one pass. `size` counts the pixel data element; `mac` is of all that was taken."""

    def __init__(self, masking: Masking, syntax: str, deflated: Deflated | None, copies: bool) -> None:
        self.masking = masking
        self.size = 0
        self._big = syntax == BIG_ENDIAN
        self.mac: Mac | None = None if self._big else intact.begun()
        self._syntax = syntax
        self._deflated = deflated
        self._keeps = copies  # bulk bytes, because views live only while they are fed
        self._ready: list[bytes | memoryview] = []
        self._header_given = False
        self._masked = False

    @property
    def syntax(self) -> str:
        """Of what goes out, once it is settled: masked pixels may be encoded otherwise than they came."""
        plan = self.masking.plan
        return plan.transfer_syntax if plan else self._syntax

    def start_pixels(self, head: bytes) -> None:
        """The pixel data element up to its value."""
        self.masking.head = head
        self.add_pixels(head)

    def add_pixels(self, piece: bytes | memoryview) -> None:
        masking = self.masking
        self.size += len(piece)
        masking.bound(self.size)
        self._ready.append(bytes(piece) if self._keeps or masking.plan else piece)

    def settle(self) -> None:
        """What is there already waits until the end, if it is masked."""
        if self.masking.plan:
            self._ready = [bytes(piece) for piece in self._ready]

    def mask(self) -> Hold | None:
        """Nothing of the pixels was given out before; what cannot be masked is held without them."""
        masking = self.masking
        if masking.plan is None:
            return None
        element, self._ready = b"".join(self._ready), []
        hold = masking.finish(element)
        self.size = 0
        self.add_pixels(masking.written)
        self._masked = True
        return hold

    def add_trailer(self, clean: bytes) -> None:
        self._ready.append(self._outward(clean))

    def take(self, header: bytes) -> list[bytes | memoryview]:
        """What is ready, behind this clean header the first time."""
        ready: list[bytes | memoryview] = []
        if self.masking.plan is None or self._masked:
            ready, self._ready = self._ready, ready
        if not self._header_given:
            ready.insert(0, self._outward(header))
            self._header_given = True
        if self.mac is not None:
            for piece in ready:
                self.mac.update(piece)
        return self._deflated.packed(ready) if self._deflated else ready

    def take_last(self, header: bytes) -> list[bytes | memoryview]:
        rest = self.take(header)
        if self._deflated:
            rest.append(self._deflated.rest())
        return rest

    def forget(self) -> None:
        """Nobody will take what waits."""
        self._ready.clear()
        self.mac = None

    def _outward(self, clean: bytes) -> bytes:
        return bigendian.turn(clean, False)[0] if self._big else clean

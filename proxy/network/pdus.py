"""Cut a stream of bytes into PDUs as it arrives, without ever holding a whole P-DATA PDU.

No I/O and no opinion about states. `Pdus.room()` is where the next bytes are to be received, `took(n)` says how
many came; what they mean is told at once to a listener: fragments of data as views into the buffer, valid only
during the call, and every other PDU as bytes when it is complete. Fragments of one data set that came together are
handed on together: closing the gaps between them in the buffer costs less than a call for each. Lengths are checked
before they are believed: a length that contradicts itself or exceeds what we announced raises `Malformed`.
"""

import struct
from typing import Protocol

from proxy.network.messages import COMMAND, LAST, Malformed

P_DATA = 4
_HEAD = struct.Struct(">BxL")
_PDV = struct.Struct(">LBB")
KNOWN = range(1, 8)
FIXED = range(5, 8)  # release request, release response, abort: always four bytes
LONGEST_ASSOCIATE = 512 * 1024
TOLERATED = 1024 * 1024  # peers that ignore our maximum a little are endured: a fragment costs no memory
BUFFER = 256 * 1024


class Hearer(Protocol):
    def fragment(self, context_id: int, control: int, view: memoryview, ends: bool) -> None:
        """Some bytes of a presentation data value, or of several in a row; `ends` with the last ones of a value."""

    def control(self, pdu: bytes) -> None:
        """A whole PDU that is not P-DATA."""

    def boundary(self) -> None:
        """A P-DATA PDU is complete."""


class Pdus:
    def __init__(self, hearer: Hearer, longest_data: int, size: int = BUFFER) -> None:
        self._hearer = hearer
        self._longest_data = max(longest_data, TOLERATED) if longest_data else 0xFFFFFFFF
        self._view = memoryview(bytearray(size))
        self._end = 0
        self._data_left = 0  # of the P-DATA PDU we are in
        self._value_left = 0  # of the presentation data value we are in
        self._context_id = self._control = 0
        self._first = self._behind = 0  # data that was not handed on yet, of this context
        self._midway = False  # what waits to be handed on ends in the middle of a value
        self._whole = bytearray()
        self._whole_left = 0

    def dispose(self) -> None:
        """Nothing will come any more: give the buffer back, whoever still refers to us."""
        self._view = memoryview(b"")
        self._whole.clear()

    def room(self) -> memoryview:
        return self._view[self._end :]

    @property
    def between(self) -> bool:
        """No PDU has begun that is not complete."""
        return not (self._end or self._data_left or self._whole_left)

    def took(self, count: int) -> None:
        """Raises Malformed, after which the stream cannot be read on."""
        end = self._end + count
        used = self._consume(end)
        self._hand_on(ends=not self._midway)
        left = end - used
        self._view[:left] = self._view[used:end]  # the beginning of a header, at most five bytes
        self._end = left

    def _consume(self, end: int) -> int:
        at = 0
        while at < end:
            if self._value_left:
                at = self._feed(at, end)
            elif self._whole_left:
                at = self._gather(at, end)
            elif end - at < 6:
                break
            elif self._data_left:
                at = self._open_value(at)
            else:
                at = self._open_pdu(at)
        return at

    def _open_pdu(self, at: int) -> int:
        kind, length = _HEAD.unpack_from(self._view, at)
        if kind == P_DATA:
            if not 6 <= length <= self._longest_data:
                raise Malformed("a P-DATA PDU has a length that cannot be")
            self._data_left = length
            return at + 6
        if kind not in KNOWN or length > LONGEST_ASSOCIATE or (kind in FIXED and length != 4) or length == 0:
            raise Malformed("a PDU is of no known type or of a length that cannot be")
        self._hand_on()
        self._whole = bytearray(self._view[at : at + 6])
        self._whole_left = length
        return at + 6

    def _open_value(self, at: int) -> int:
        length, context_id, self._control = _PDV.unpack_from(self._view, at)
        if context_id != self._context_id:
            self._hand_on()
        self._context_id = context_id
        if not 2 <= length <= self._data_left - 4:
            raise Malformed("a presentation data value is longer than its PDU")
        rest = self._data_left - 4 - length
        if 0 < rest < 6:
            raise Malformed("a presentation data value is cut off")
        self._value_left = length - 2
        self._data_left = rest + self._value_left
        if not self._value_left:
            self._feed(at + 6, at + 6)
        return at + 6

    def _feed(self, at: int, end: int) -> int:
        stop = min(end, at + self._value_left)
        self._value_left -= stop - at
        self._data_left -= stop - at
        if self._control & COMMAND:
            self._hand_on()
        self._add(at, stop)
        if self._control & (COMMAND | LAST) or at == stop:
            self._hand_on(self._control, ends=not self._value_left, also_empty=True)
        if not self._data_left:
            self._hearer.boundary()
        return stop

    def _add(self, at: int, stop: int) -> None:
        """Right behind the data that waits to be handed on."""
        if self._first == self._behind:
            self._first = self._behind = at
        if self._behind != at:
            self._view[self._behind : self._behind + stop - at] = self._view[at:stop]
        self._behind += stop - at
        self._midway = self._value_left > 0

    def _hand_on(self, control: int = 0, *, ends: bool = True, also_empty: bool = False) -> None:
        first, behind = self._first, self._behind
        self._first = self._behind = 0
        if first != behind or also_empty:
            self._hearer.fragment(self._context_id, control, self._view[first:behind], ends)

    def _gather(self, at: int, end: int) -> int:
        stop = min(end, at + self._whole_left)
        self._whole += self._view[at:stop]
        self._whole_left -= stop - at
        if not self._whole_left:
            self._hearer.control(bytes(self._whole))
        return stop

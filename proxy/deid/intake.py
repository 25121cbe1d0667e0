"""Bytes come in: the header is buffered and tokenised, pixel data are handed on, the trailer is buffered.

The header is complete when pixel data start in what was fed, or when nothing more comes; then `facts` are known.
"""

import hashlib
from typing import Final

from proxy.deid import bigendian
from proxy.deid.beside import Digest
from proxy.deid.bulk import Bulk
from proxy.deid.deflated import Deflated
from proxy.deid.errors import TooLarge, Unreadable
from proxy.deid.facts import Facts, gather
from proxy.deid.outgoing import Outgoing
from proxy.deid.parts import Limits, Part
from proxy.deid.plan import Plan
from proxy.deid.stream import More, Scan
from proxy.deid.syntaxes import BIG_ENDIAN, IMPLICIT

_FIRST_LOOK: Final = 1 << 16
_PIXEL_VRS: Final = frozenset((b"OB", b"OW", b"OF", b"OD", b"UN"))  # all with a length of four bytes


class Intake:
    """Of one pass. Pixel data go to `outgoing` as they come; `digest` is theirs, in little endian."""

    def __init__(
        self, plan: Plan, limits: Limits, syntax: str, deflated: Deflated | None, outgoing: Outgoing
    ) -> None:
        self.syntax = syntax
        self.explicit = syntax != IMPLICIT
        self.wide = 12 if self.explicit else 8  # the head of the pixel data element
        self.header, self.trailer = Part(), Part()
        self.scan = Scan(plan, self.explicit)
        self.facts: Facts | None = None
        self.bulk: Bulk | None = None
        self.digest: Digest = hashlib.sha256()
        self.deflated = deflated
        self._plan = plan
        self._most = limits.header
        self._outgoing = outgoing
        self._big = syntax == BIG_ENDIAN
        self._swaps = False  # 16 bit words in big endian
        self._odd = b""

    def feed(self, view: bytes | memoryview) -> None:
        if self.deflated is None:
            self._accept(memoryview(view))
            return
        for piece in self.deflated.inflated(view):
            self._accept(piece)

    def _accept(self, view: memoryview) -> None:
        while view:
            if self.bulk is None:
                view = self._more_header(view)
            elif not self.bulk.done:
                view = self._pass_bulk(self.bulk, view)
            else:
                self._more(self.trailer, view)
                return

    def _more(self, part: Part, view: memoryview) -> None:
        part.add(view)
        if part.size > self._most:
            raise TooLarge("the header is larger than the limit")

    def _more_header(self, view: memoryview) -> memoryview:
        """Buffer and look for pixel data; looks again only when there is twice (a large header: four times) as much."""
        part = self.header
        step = view[: max(_FIRST_LOOK, 3 * part.size)]
        self._more(part, step)
        rest = view[len(step) :]
        if part.size >= part.looked * (2 if part.looked < _FIRST_LOOK else 4):
            part.looked = part.size
            try:
                found = self._look()
            except More:
                return rest
            if found:
                self._start_bulk()
        return rest

    def _looked_at_all(self) -> bool:
        """Whether the last look saw everything, and all of it whole."""
        part = self.header
        return 0 < part.size == part.looked == len(part.original)

    def _look(self) -> bool:
        """Tokenise what is there; True if pixel data start in it."""
        part, scan = self.header, self.scan
        raw = part.raw()
        if self._big:
            turned, end = bigendian.turn(raw, True)
            scan.run(turned)
            scan.bulk_at = end if end < len(raw) else -1
        else:
            scan.run(raw)
        part.original = scan.buf
        if scan.bulk_at < 0:
            return False
        if len(raw) < scan.bulk_at + self.wide:
            part.looked = 0
            raise More(scan.bulk_at)
        return True

    def _start_bulk(self) -> None:
        """The header is complete: pixel data start inside what was buffered."""
        part, at = self.header, self.scan.bulk_at
        raw, part.pieces = part.raw(), []
        wide = self.wide
        if self.explicit and raw[at + 4 : at + 6] not in _PIXEL_VRS:
            raise Unreadable("pixel data of a VR that they cannot have")
        length = int.from_bytes(raw[at + wide - 4 : at + wide], "big" if self._big else "little")
        self.bulk = Bulk(length)
        self._swaps = self._big and raw[at + 4 : at + 6] == b"OW"
        part.original = self.scan.buf = part.original[:at]
        self._know()
        self._outgoing.start_pixels(raw[at : at + wide])
        self._accept(memoryview(raw)[at + wide :])

    def _pass_bulk(self, bulk: Bulk, view: memoryview) -> memoryview:
        used = bulk.take(view)
        piece = view[:used]
        self._digest_bulk(piece)
        self._outgoing.add_pixels(piece)
        return view[used:]

    def _digest_bulk(self, piece: memoryview) -> None:
        """Of native pixels as little endian has them, so that one image has one digest in every syntax."""
        if self._swaps:
            data = self._odd + piece
            whole = len(data) // 2 * 2
            self.digest.update(bigendian.swapped(bytes(data[:whole]), 2))
            self._odd = bytes(data[whole:])
        else:
            self.digest.update(piece)

    def _know(self) -> None:
        self.facts = gather(self.scan.buf, self.scan.standing)

    def end(self) -> None:
        """Nothing more comes. Raises Unreadable, or More, if the data set is truncated."""
        if self.deflated and not self.deflated.is_whole:
            raise Unreadable("the deflated data set ends early")
        if self.bulk is None:
            if not self._looked_at_all() and self._look():
                self._start_bulk()
            else:
                self._know()
        if self.bulk is not None and not self.bulk.done:
            raise Unreadable("the data set ends inside the pixel data")

    def tail(self) -> Scan | None:
        """The trailer, tokenised, if there is one; after end()."""
        if not self.trailer.size:
            return None
        self._turn_trailer()
        scan = Scan(self._plan, self.explicit)
        scan.run(self.trailer.original)
        if scan.bulk_at >= 0:
            raise Unreadable("pixel data stand in the data set twice")
        return scan

    @property
    def originals(self) -> tuple[bytes, ...]:
        """Header and trailer as they came, in little endian; after end()."""
        if self.trailer.size:
            self._turn_trailer()
        return self.header.original, self.trailer.original

    def _turn_trailer(self) -> None:
        raw = self.trailer.raw()
        turned, end = bigendian.turn(raw, True) if self._big else (raw, len(raw))
        if end < len(raw):
            raise Unreadable("pixel data stand in the data set twice")
        self.trailer.original = turned

    @property
    def header_digest(self) -> bytes:
        """Of header and trailer as they came, in little endian."""
        digest = hashlib.sha256(self.header.original)
        if self.trailer.original:
            digest.update(self.trailer.original)
        return digest.digest()

"""A body of several parts (RFC 7578, RFC 2046 5.1), read as it comes: one part at a time, in pieces, as views.

Django's own parser hands what it reads to upload handlers, one of which writes files to a temporary folder. This one
hands it to whoever reads the part, and keeps a megabyte.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from django.utils.http import parse_header_parameters

from proxy.service.body import CUT, PIECE, Body
from proxy.service.troubles import Malformed, WrongKind

FIELD: Final = "files"
BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
LONGEST_HEADERS: Final = 16 << 10  # bytes of one part's
PLAIN: Final = frozenset({"", "binary", "8bit", "7bit"})
NO_BOUNDARY: Final = "Say by which boundary the parts are divided (RFC 2046 5.1.1)."
OTHER_FIELD: Final = f"Files come in fields named {FIELD}; there is another one."
ENCODED: Final = "A part says that its content is encoded; send bytes as they are."
HEADERS: Final = "A part's headers cannot be read."


def boundary_of(parameter: str) -> bytes:
    """Raises Malformed."""
    if not BOUNDARY.fullmatch(parameter):
        raise Malformed("malformed", NO_BOUNDARY)
    return parameter.encode("ascii")


@dataclass(slots=True)
class Part:
    """One file. `name` is the sender's, which may name a person. What nobody reads is passed by."""

    name: str = field(repr=False)
    _parts: "Multipart"

    def read(self, size: int) -> memoryview:
        """Up to so many bytes; none at its end."""
        return self._parts.some(size)


class Multipart:
    def __init__(self, body: Body, boundary: bytes) -> None:
        self._body = body
        self._mark = b"\r\n--" + boundary
        self._held, self._at = b"\r\n", 0
        self._found: int | None = None  # where the next mark is; -1: not in what is held

    def parts(self) -> Iterator[Part]:
        """Raises Malformed."""
        self._pass_by()  # what stands before the first one
        while self._next():
            yield Part(_name(self._headers()), self)
            self._pass_by()

    def some(self, size: int) -> memoryview:
        """Of the part that is being read; none at its end."""
        end = self._safe()
        while self._at >= end and self._found == -1:
            self._more()
            end = self._safe()
        piece = memoryview(self._held)[self._at : min(end, self._at + size)]
        self._at += len(piece)
        return piece

    def _safe(self) -> int:
        """Up to where what is held belongs to the part for sure."""
        if self._found is None:
            self._found = self._held.find(self._mark, self._at)
        return self._found if self._found >= 0 else max(self._at, len(self._held) - len(self._mark) + 1)

    def _pass_by(self) -> None:
        while self.some(PIECE):
            pass

    def _next(self) -> bool:
        """Past the mark; False behind the last part."""
        self._at, self._found = self._at + len(self._mark), None
        self._need(2)
        if self._held[self._at : self._at + 2] == b"--":
            return False
        end = self._line()
        if self._held[self._at : end].strip(b" \t"):
            raise Malformed("malformed", HEADERS)
        self._at = end  # the headers begin with the end of this line: there may be none
        return True

    def _headers(self) -> bytes:
        while (end := self._held.find(b"\r\n\r\n", self._at)) < 0:
            self._lengthen()
        headers = self._held[self._at : end]
        self._at = end + 4
        return headers

    def _line(self) -> int:
        while (end := self._held.find(b"\r\n", self._at)) < 0:
            self._lengthen()
        return end

    def _lengthen(self) -> None:
        if len(self._held) - self._at > LONGEST_HEADERS:
            raise Malformed("malformed", HEADERS)
        self._more()

    def _need(self, size: int) -> None:
        while len(self._held) - self._at < size:
            self._more()

    def _more(self) -> None:
        piece = self._body.read(PIECE)
        if not piece:
            raise Malformed("cut", CUT)
        self._held, self._at, self._found = self._held[self._at :] + piece, 0, None


def _name(headers: bytes) -> str:
    """Of the file that comes. Raises Malformed, WrongKind."""
    found = {}
    for line in headers.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if line and not colon:
            raise Malformed("malformed", HEADERS)
        found[name.strip().lower()] = value.strip().decode("utf-8", "replace")
    if found.get(b"content-transfer-encoding", "").lower() not in PLAIN or b"content-encoding" in found:
        raise WrongKind("encoded", ENCODED)
    try:
        kind, said = parse_header_parameters(found.get(b"content-disposition", ""))
    except ValueError:
        raise Malformed("malformed", HEADERS) from None
    if kind != "form-data" or said.get("name") != FIELD:
        raise Malformed("other-field", OTHER_FIELD)
    return said.get("filename", "")

"""A part of what is there whole: one range of bytes (RFC 9110 14)."""

import re
from dataclasses import dataclass
from typing import Final

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from proxy.api.problems import Problem

_ONE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")
NO_RANGE: Final = "The range begins behind the end."


class Unsatisfiable(Exception):
    """The asker's fault: the range begins behind the end."""


@dataclass(frozen=True, slots=True)
class Range:
    """`end` is not in it."""

    start: int
    end: int
    size: int

    @property
    def content_range(self) -> str:
        return f"bytes {self.start}-{self.end - 1}/{self.size}"

    @property
    def is_all(self) -> bool:
        return (self.start, self.end) == (0, self.size)


def wanted(header: str, size: int) -> Range:
    """What cannot be read, or names several ranges, asks for all of it. Raises Unsatisfiable."""
    found = _ONE.fullmatch(header.strip())
    if found is None or found[1] == found[2] == "":
        return Range(0, size, size)
    if not found[1]:
        start, end = max(size - int(found[2]), 0), size
    else:
        start, end = int(found[1]), min(int(found[2]) + 1 if found[2] else size, size)
        if found[2] and int(found[2]) < start:
            return Range(0, size, size)
    if start >= size or start >= end:
        raise Unsatisfiable
    return Range(start, end, size)


def range_of(request: Request, size: int, tag: str = "") -> Range:
    """Raises Problem. `tag` is the ETag of what is there: whoever resumes and names another gets all of it."""
    condition = request.META.get("HTTP_IF_RANGE", "").strip()
    if condition and condition != tag:
        return Range(0, size, size)
    try:
        return wanted(request.META.get("HTTP_RANGE", ""), size)
    except Unsatisfiable:
        raise Problem(416, "no-range", NO_RANGE, headers={"Content-Range": f"bytes */{size}"}) from None


def partial(answer: HttpResponseBase, part: Range) -> HttpResponseBase:
    answer.headers["Accept-Ranges"] = "bytes"
    answer.headers["Content-Length"] = str(part.end - part.start)
    if not part.is_all:
        answer.status_code = 206
        answer.headers["Content-Range"] = part.content_range
    return answer

"""Take a multipart body apart, independently of the code that makes it. Contents stay in the file."""

import mmap
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message

from proxy.management.demo.backend.serving import Request

MOST = 1 << 20  # of a larger content `Part.content` has the beginning, and the file the whole


class MalformedError(Exception):
    """It is not as RFC 2046 5.1 says."""


@dataclass(frozen=True)
class Part:
    """A part's headers, the place of its content in the request's body, and the content itself."""

    headers: Mapping[str, str]
    start: int
    end: int
    content: bytes = b""


def parts(request: Request) -> Iterator[Part]:
    """Raises MalformedError."""
    boundary = parameter(request.headers.get("Content-Type", ""), "boundary")
    _check(re.fullmatch(r"[A-Za-z0-9]{1,70}", boundary) and request.size)
    with mmap.mmap(request.body.fileno(), 0, access=mmap.ACCESS_READ) as body:
        mark = f"--{boundary}".encode()
        _check(body[: len(mark)] == mark)
        place = len(mark)
        while body[place : place + 2] == b"\r\n":
            split = body.find(b"\r\n\r\n", place)
            end = body.find(b"\r\n" + mark, split + 4)
            _check(split > 0 and end > 0)
            content = body[split + 4 : min(end, split + 4 + MOST)]
            yield Part(_headers(body[place + 2 : split]), split + 4, end, content)
            place = end + 2 + len(mark)
        _check(body[place:] == b"--\r\n")


def _check(is_so: object) -> None:
    if not is_so:
        raise MalformedError


def parameter(value: str, name: str) -> str:
    message = Message()
    message["Content-Type"] = value
    found = message.get_param(name)
    return found if isinstance(found, str) else ""


def name_of(part: Part) -> str:
    return _disposition(part, "name")


def file_name_of(part: Part) -> str:
    return _disposition(part, "filename")


def _disposition(part: Part, name: str) -> str:
    message = Message()
    message["Content-Disposition"] = part.headers.get("Content-Disposition", "")
    found = message.get_param(name, header="Content-Disposition")
    return found if isinstance(found, str) else ""


def _headers(block: bytes) -> Mapping[str, str]:
    lines = [line.partition(": ") for line in block.decode(errors="replace").split("\r\n") if line]
    return {name: value for name, _, value in lines}

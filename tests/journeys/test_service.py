"""The service as its customers meet it: a real server, real sockets, and senders who mean no good.

Memory and disk stay bounded, no thread is held for ever, and nothing identified lies anywhere.
"""

import gzip
import http.client
import io
import os
import re
import signal
import socket
import struct
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cast
from tests.cast import StudyPlan
from tests.house import House
from tests.management.test_serve import answers, is_open, processes, until
from tests.service.sending import form

pytestmark = pytest.mark.journey
MEGABYTE = 1 << 20
SETTINGS = {
    "SERVICE_UPLOAD_LIMIT": "64",
    "SERVICE_UNPACKED_LIMIT": "64",
    "SERVICE_AT_ONCE": "4",
    "SERVICE_PATIENCE": "6",
    "DISK_WATERMARK": "0",
}
Answer = tuple[int, dict[str, str], bytes]


@dataclass(frozen=True)
class Served:
    house: House
    key: str

    def ask(self, body: object, kind: str, **more: object) -> Answer:
        line = http.client.HTTPConnection("127.0.0.1", self.house.api_port, timeout=60)
        try:
            line.request("POST", "/v1/anonymize", body, self.headers(kind), **more)  # type: ignore[arg-type]
            answer = line.getresponse()
            return answer.status, dict(answer.headers), answer.read()
        finally:
            line.close()

    def headers(self, kind: str) -> dict[str, str]:
        return {"X-API-Key": self.key, "Content-Type": kind}

    def begun(self, length: int, sent: bytes, kind: str = "application/dicom") -> socket.socket:
        """A request whose body does not come further than this."""
        line = socket.create_connection(("127.0.0.1", self.house.api_port), timeout=60)
        head = {**self.headers(kind), "Host": "localhost", "Content-Length": str(length)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        line.sendall(f"POST /v1/anonymize HTTP/1.1\r\n{lines}\r\n".encode() + sent)
        return line

    def is_alive(self) -> bool:
        return answers(self.house.api_port)

    def peak(self) -> int:
        """Megabytes that any of its processes has ever held."""
        texts = [Path(f"/proc/{pid}/status").read_text("ascii") for pid in processes(self.house, "web")]
        return max(int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) for text in texts) >> 10

    @property
    def spooled(self) -> list[Path]:
        folder = self.house.data / "service"
        return list(folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def served(house: House) -> Iterator[Served]:
    made = house.command("customer", "add", "acme", "--tier", "pro")
    found = re.search(r"postern-[0-9a-f]{8}-[\w-]+", made.stdout)
    assert found, made.stdout + made.stderr
    house.start("web", **SETTINGS)
    until(lambda: is_open(house.api_port))
    one = Served(house, found[0])
    assert one.is_alive()
    yield one
    assert one.is_alive()


def image(number: int = 1, size: int = 512) -> bytes:
    return cast.part10(cast.ct(StudyPlan(), number, size=size))


def identified(house: House) -> list[str]:
    """Files that hold a name, whatever they are for."""
    files = [path for root in (house.data, house.folder) for path in root.rglob("*") if path.is_file()]
    return [
        path.name
        for path in files
        if any(spelled in path.read_bytes() for needle in cast.NEEDLES for spelled in cast.spellings(needle))
    ]


def bomb(size: int, *, later: bool = False) -> bytes:
    """A ZIP of one member that swells. It says that it has ten bytes, or that it will say so later."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(size >> 20)) + packer.flush()
    sizes = (0, 0) if later else (len(packed), 10)
    head = struct.pack("<4s5H3I2H", b"PK\3\4", 20, 8 * later, 8, 0, 0, 0, *sizes, 1, 0)
    return head + b"x" + packed + b"PK\5\6" + bytes(18)


def header(size: int) -> bytes:
    """Of a file in a tar."""
    info = tarfile.TarInfo("x.dcm")
    info.size = size
    return info.tobuf()


def nested(depth: int) -> bytes:
    """As 42.zip: sixteen archives in each, again and again."""
    content = bytes(MEGABYTE)
    for _ in range(depth):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(16):
                archive.writestr(f"{number}.zip", content)
        content = out.getvalue()
    return content


def endless() -> Iterator[bytes]:
    while True:
        yield bytes(MEGABYTE)


def test_a_hundred_and_twenty_files_in_one_request_and_memory_stays_flat(served: Served) -> None:
    status, headers, answer = served.ask(*form([image(number) for number in range(1, 121)]))
    assert status == 200 and headers["X-Files-Processed"] == "120"
    with zipfile.ZipFile(io.BytesIO(answer)) as archive:
        assert archive.testzip() is None and len(archive.namelist()) == 121
    assert len(answer) > 60 * MEGABYTE
    before = served.peak()
    for _ in range(2):
        served.ask(*form([image(number) for number in range(1, 121)]))
    assert served.peak() < before + 24 and served.peak() < 260
    assert served.spooled == [] and identified(served.house) == []


@pytest.mark.parametrize(
    ("made", "statuses"),
    [
        (lambda: (bomb(512 * MEGABYTE), "application/zip"), {422}),  # no image: it is passed by unopened
        (lambda: (bomb(512 * MEGABYTE, later=True), "application/zip"), {413}),
        (lambda: (nested(5), "application/zip"), {422}),
        (lambda: form([gzip.compress(bomb(512 * MEGABYTE))]), {422}),
        (lambda: (gzip.compress(header(512 * MEGABYTE) + bytes(512 * MEGABYTE)), "application/gzip"), {413}),
    ],
)
def test_bombs_go_off_nowhere(
    served: Served, made: Callable[[], tuple[bytes, str]], statuses: set[int]
) -> None:
    before, began = served.peak(), time.monotonic()
    status, _, _ = served.ask(*made())
    assert status in statuses and time.monotonic() - began < 50
    assert served.peak() < before + 48 and served.spooled == []


def test_ten_gigabytes_that_are_said_are_refused_at_once(served: Served) -> None:
    with served.begun(10 << 30, b"x" * 1_000) as line:
        assert line.recv(64).startswith(b"HTTP/1.1 413")


def test_ten_gigabytes_that_nobody_says_are_refused_when_they_have_come(served: Served) -> None:
    before = served.peak()
    line = http.client.HTTPConnection("127.0.0.1", served.house.api_port, timeout=60)
    sent = 0
    with closing(line), suppress(OSError):
        line.putrequest("POST", "/v1/anonymize")
        for name, value in {**served.headers("application/dicom"), "Transfer-Encoding": "chunked"}.items():
            line.putheader(name, value)
        line.endheaders()
        for piece in endless():
            line.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            sent += 1
    assert sent < 64 + 600  # what the server still lets pass by within seconds
    assert served.peak() < before + 48 and served.spooled == []


def test_senders_who_are_slow_hold_no_thread_for_ever_and_leave_the_others_theirs(served: Served) -> None:
    content = image()
    with ExitStack() as stack:
        lines = [stack.enter_context(served.begun(len(content), content[:5_000])) for _ in range(4)]
        while served.ask(content, "application/dicom")[0] != 503:  # it was faster than one of them
            lines.append(stack.enter_context(served.begun(len(content), content[:5_000])))
        assert served.is_alive()
        told = {line.recv(64)[:12] for line in lines}
        assert b"HTTP/1.1 408" in told and told <= {b"HTTP/1.1 408", b"HTTP/1.1 503"}
    assert served.ask(content, "application/dicom")[0] == 200


def test_a_sender_who_hangs_up_leaves_nothing(served: Served) -> None:
    content = image()
    for cut in (10, 5_000, 300_000):
        served.begun(len(content), content[:cut]).close()
    until(lambda: served.ask(content, "application/dicom")[0] == 200)
    assert served.spooled == [] and identified(served.house) == []


def test_a_server_that_is_killed_leaves_nothing(served: Served) -> None:
    """Neither of the original nor of what was clean already."""
    body, kind = form([image(number) for number in range(1, 21)])
    with served.begun(len(body) + 100, body[: len(body) // 2], kind):
        time.sleep(0.5)
        for pid in processes(served.house, "web"):
            os.kill(pid, signal.SIGKILL)
    assert served.spooled == [] and identified(served.house) == []
    served.house.start("web", **SETTINGS)
    until(lambda: is_open(served.house.api_port))


def test_many_at_the_edge_of_the_quota_get_exactly_what_is_left(house: House) -> None:
    """Fifty files a month are free, one after the other or at once."""
    made = house.command("customer", "add", "small")
    key = re.findall(r"postern-[0-9a-f]{8}-[\w-]+", made.stdout)[0]
    house.start("web", **{**SETTINGS, "SERVICE_AT_ONCE": "12"})
    until(lambda: is_open(house.api_port))
    served = Served(house, key)
    content = image(size=8)

    assert served.ask(*form([content] * 25))[0] == 200
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda _: served.ask(content, "application/dicom")[0], range(50)))
    assert (statuses.count(200), statuses.count(429)) == (25, 25)

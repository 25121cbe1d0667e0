"""An HTTP server on a port of loopback that remembers what it heard and misbehaves when told to."""

import io
import math
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, NoReturn

from proxy.management.demo.backend.faults import Deaf, Drops, Fault, Halves, Says, Slow, Trickles

PIECE = 1 << 16


@dataclass(frozen=True)
class Request:
    """`body` is a temporary file, at its beginning: what comes may be gigabytes."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: IO[bytes]
    size: int


@dataclass(frozen=True)
class Reply:
    """`cut_after`: the connection ends after so many bytes of the body. `slow` is in seconds."""

    status: int = 200
    body: bytes | Path = b""  # a file is removed once it was sent
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: float = 0.0
    cut_after: int | None = None
    is_chunked: bool = False


Answers = Callable[[Request], Reply]
Attends = Callable[[socket.socket], None]


class _Cut(Exception):
    """A fault has ended the connection."""


@dataclass
class Server:
    """What stands in `faults` happens to the next requests in turn, to those whose path has `faulty` in it."""

    url: str
    answers: Answers
    faulty: str = ""
    faults: "deque[Fault]" = field(default_factory=deque)
    heard: list[Request] = field(default_factory=list)
    busy: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def next_fault(self, path: str) -> Fault | None:
        with self.busy:
            return self.faults.popleft() if self.faults and self.faulty in path else None

    def paths(self) -> list[str]:
        return [one.path for one in self.heard]


@contextmanager
def serving(
    answers: Answers, tls: ssl.SSLContext | None = None, port: int = 0, attend: Attends | None = None
) -> Iterator[Server]:
    """`attend` gets each socket on which a WebSocket is asked for."""
    httpd = _Http(("127.0.0.1", port), _Handler)
    httpd.attend = attend
    if tls is not None:
        # Whoever connects and says nothing keeps its own thread waiting, not the one that accepts
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    scheme = "http" if tls is None else "https"
    httpd.server = server = Server(f"{scheme}://127.0.0.1:{httpd.server_address[1]}", answers)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.over.set()
        httpd.server_close()
        for request in server.heard:
            request.body.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    server: Server
    attend: Attends | None = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.over = threading.Event()

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self.attend is not None and wants_websocket(request):
            self.attend(request)
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or whose TLS fails, is no news here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: what is asked for is in `heard`."""

    def do_GET(self) -> None:
        with suppress(_Cut):
            self._do(self.server.server.next_fault(self.path))

    do_POST = do_GET  # noqa: N815

    def _do(self, fault: Fault | None) -> None:
        if isinstance(fault, Says) and fault.early:
            self._say(Reply(fault.status, fault.body, "text/plain", fault.headers))
            self._cut()
        request = self._read(fault)
        self.server.server.heard.append(request)
        if self.server.over.is_set():
            request.body.close()
            raise _Cut
        if isinstance(fault, Says):
            return self._say(Reply(fault.status, fault.body, "text/plain", fault.headers))
        if isinstance(fault, Slow):
            self._wait(fault.seconds)
        return self._say(self.server.server.answers(request), fault)

    def _read(self, fault: Fault | None) -> Request:
        size = int(self.headers.get("Content-Length") or 0)
        body = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the server ends
        try:
            self._take(body, size, fault)
        except BaseException:
            body.close()
            raise
        body.seek(0)
        return Request(self.command, self.path, dict(self.headers.items()), body, size)

    def _take(self, body: IO[bytes], size: int, fault: Fault | None) -> None:
        stops_at = fault.after if isinstance(fault, Drops | Deaf) else size
        while (read := body.tell()) < min(size, stops_at):
            piece = self.rfile.read(min(PIECE, min(size, stops_at) - read))
            if not piece:
                break
            body.write(piece)
        if isinstance(fault, Deaf):
            self._wait(fault.seconds)
        if body.tell() < size or isinstance(fault, Drops):
            self._cut()

    def _say(self, reply: Reply, fault: Fault | None = None) -> None:
        self._wait(reply.slow)
        with _opened(reply.body) as (body, size):
            self._head(reply, size, is_chunked=reply.is_chunked and not isinstance(fault, Trickles))
            if isinstance(fault, Trickles):
                return self._trickle(fault.pause, body.read())
            self.end_headers()
            self._body(body, size // 2 if isinstance(fault, Halves) else reply.cut_after, reply.is_chunked)
        return None

    def _head(self, reply: Reply, size: int, *, is_chunked: bool) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(size))
        for name, value in reply.headers.items():
            self.send_header(name, value)

    def _body(self, body: IO[bytes], most: int | None, is_chunked: bool) -> None:
        left = math.inf if most is None else most
        while left > 0 and (piece := body.read(int(min(PIECE, left)))):
            left -= len(piece)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if most is not None:
            self._cut()
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _trickle(self, pause: float, body: bytes) -> None:
        waiting = b"".join(self._headers_buffer) + b"\r\n" + body
        self._headers_buffer: list[bytes] = []
        for number in range(len(waiting)):
            try:
                self.wfile.write(waiting[number : number + 1])
            except OSError:
                self._cut()
            self._wait(pause)

    def _wait(self, seconds: float) -> None:
        """Whoever still waits when the server ends, ends with it."""
        if self.server.over.wait(seconds):
            self.close_connection = True
            raise _Cut

    def _cut(self) -> NoReturn:
        """At once and rudely, by a reset, as a crash would."""
        self.close_connection = True
        with suppress(OSError):
            self.wfile.flush()
        if self.command == "POST":
            with suppress(OSError):
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Cut


@contextmanager
def _opened(body: bytes | Path) -> Iterator[tuple[IO[bytes], int]]:
    if isinstance(body, bytes):
        yield io.BytesIO(body), len(body)
        return
    try:
        with body.open("rb") as file:
            yield file, body.stat().st_size
    finally:
        body.unlink(missing_ok=True)


def wants_websocket(sock: socket.socket) -> bool:
    """Look at the request's head without taking it."""
    sock.settimeout(5)
    head = b""
    with suppress(OSError):
        for _ in range(200):
            head = sock.recv(8192, socket.MSG_PEEK)
            if b"\r\n\r\n" in head or not head:
                break
            time.sleep(0.01)
    sock.settimeout(None)
    return b"upgrade: websocket" in head.lower()

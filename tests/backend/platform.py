"""The platform as its contract describes it: configuration, downloads and WebSocket on one free loopback port.

It remembers what it heard and misbehaves when told to: another status, slowness, a cut line, half a frame, messages
that make no sense. What it says over the WebSocket goes to everybody who is connected.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection

KEY = "key-of-the-tests"
CONFIGURATION = "/api/v1/proxy/configuration"
WEBSOCKET = "/api/v1/proxy/ws"
PIECE = 1 << 16


@dataclass(frozen=True)
class Answer:
    """`cut_after`: the connection ends after so many bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    slow: float = 0.0
    cut_after: int | None = None
    is_chunked: bool = False


@dataclass
class Platform:
    url: str
    configuration: object = None
    key: str = KEY
    workspace: str = "w1"
    answers: dict[str, Answer] = field(default_factory=dict)  # by path, instead of the right one
    key_in_query: bool = False
    greets: bool = True
    responds: bool = True
    refuses_with: int = 0  # HTTP status for whoever opens the WebSocket
    asked: list[str] = field(default_factory=list)  # paths, with their query
    keys: list[str] = field(default_factory=list)  # where each WebSocket brought its key
    heard: list[dict[str, Any]] = field(default_factory=list)
    lines: list[ServerConnection] = field(default_factory=list)

    def say(self, *messages: object) -> None:
        """A mapping goes as JSON; text and bytes as they are."""
        for message in messages:
            said = message if isinstance(message, str | bytes) else json.dumps(message)
            for line in list(self.lines):
                with suppress(ConnectionClosed):
                    line.send(said)

    def cut(self, half_a_frame: bool = False) -> None:
        """End every WebSocket without a word, or in the middle of one."""
        for line in list(self.lines):
            with suppress(OSError):
                if half_a_frame:
                    line.socket.sendall(b"\x81\x7e\x10\x00{")
                line.socket.shutdown(socket.SHUT_RDWR)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """What was heard, by `type` or `event_type`."""
        return [one for one in list(self.heard) if kind in {one.get("type"), one.get("event_type")}]

    def statuses(self) -> list[str]:
        return [one["payload"]["status"] for one in self.of_kind("dispatch.status")]

    # --- the WebSocket ----------------------------------------------------------------------------

    def attend(self, sock: socket.socket) -> None:
        protocol = ServerProtocol(max_size=1 << 20)
        house = cast(Any, SimpleNamespace(socket_closed=threading.Event()))
        line = ServerConnection(sock, protocol, house, ping_interval=None, close_timeout=1)
        with suppress(Exception):
            line.handshake(self._admit, timeout=10)
            if line.protocol.handshake_exc is None:
                self._converse(line)

    def _admit(self, line: ServerConnection, request: Request) -> Response | None:
        query = parse_qs(urlsplit(request.path).query).get("proxy_key", [""])[0]
        key = query if self.key_in_query else request.headers.get("X-Proxy-Key", "")
        self.keys.append("query" if query else "header")
        if self.refuses_with:
            response = line.respond(self.refuses_with, "no")
            response.headers["Location"] = "http://127.0.0.1:1/elsewhere"
            return response
        return None if key == self.key else line.respond(401, "no")

    def _converse(self, line: ServerConnection) -> None:
        if self.greets:
            line.send(json.dumps({"type": "connected", "workspace_id": self.workspace, "proxy_id": "p1"}))
        self.lines.append(line)
        try:
            for text in line:
                said = json.loads(text)
                self.heard.append(said)
                self._respond(line, said)
        finally:
            self.lines.remove(line)

    def _respond(self, line: ServerConnection, said: Mapping[str, Any]) -> None:
        if not self.responds:
            return
        if said.get("type") == "config_update":
            line.send(json.dumps({"type": "config_update_response", "status": "ok", "fields_updated": []}))
        elif said.get("type") == "health_update":
            line.send(json.dumps({"type": "health_update_response", "status": "ok"}))

    # --- HTTP -------------------------------------------------------------------------------------

    def answer(self, path: str, key: str | None) -> Answer:
        self.asked.append(path)
        plain = urlsplit(path).path
        if key != self.key:
            return Answer(401, b'{"detail": "Invalid proxy key"}')
        subject = parse_qs(urlsplit(path).query).get("subject_id", [""])[0]
        for known in (f"{plain}?subject_id={subject}", plain):
            if known in self.answers:
                return self.answers[known]
        if plain == CONFIGURATION and self.configuration is not None:
            return Answer(body=json.dumps(self.configuration).encode())
        return Answer(404, b'{"detail": "Not found"}')


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    platform: Platform

    def do_GET(self) -> None:
        answer = self.platform.answer(self.path, self.headers.get("X-Proxy-Key"))
        time.sleep(answer.slow)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        body = answer.body[: answer.cut_after]
        if answer.is_chunked:
            for at in range(0, len(body), PIECE):
                piece = body[at : at + PIECE]
                self.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            if answer.cut_after is None:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(body)
        if answer.cut_after is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the console."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    platform: Platform

    def finish_request(self, request: Any, client_address: Any) -> None:
        if wants_websocket(request):
            self.platform.attend(request)
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what some tests are about."""


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


@contextmanager
def open_platform(configuration: object = None) -> Iterator[Platform]:
    handler = type("Handler", (_Handler,), {})
    server = _Server(("127.0.0.1", 0), handler)
    platform = Platform(f"http://127.0.0.1:{server.server_address[1]}", configuration)
    handler.platform = server.platform = platform  # type: ignore[attr-defined]
    serving = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        yield platform
    finally:
        server.shutdown()
        platform.cut()
        server.server_close()
        serving.join(5)


def until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for it; the test fails if it never comes."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.02)

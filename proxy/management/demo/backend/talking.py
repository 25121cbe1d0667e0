"""The platform's WebSocket. What it says goes to everybody who is connected; what it heard is remembered."""

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.sync.server import ServerConnection

WEBSOCKET: Final = "/api/v1/proxy/ws"


@dataclass
class Talk:
    key: str
    workspace: str
    proxy_id: str = "p1"
    key_in_query: bool = False
    greets: bool = True
    responds: bool = True
    refuses_with: int = 0  # HTTP status for whoever opens the WebSocket
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

    def attend(self, sock: socket.socket) -> None:
        """One connection from its handshake to its end."""
        protocol = ServerProtocol(max_size=1 << 20)
        house = cast(Any, SimpleNamespace(socket_closed=threading.Event()))
        line = ServerConnection(sock, protocol, house, ping_interval=None, close_timeout=1)
        with suppress(Exception):
            line.handshake(self._admit, timeout=10)
            if line.protocol.handshake_exc is None:
                self._converse(line)

    def _admit(self, line: ServerConnection, request: Request) -> Response | None:
        parts = urlsplit(request.path)
        query = parse_qs(parts.query).get("proxy_key", [""])[0]
        key = query if self.key_in_query else request.headers.get("X-Proxy-Key", "")
        self.keys.append("query" if query else "header")
        if self.refuses_with:
            response = line.respond(self.refuses_with, "no")
            response.headers["Location"] = "http://127.0.0.1:1/elsewhere"
            return response
        if parts.path != WEBSOCKET:
            return line.respond(404, "no")
        return None if key == self.key else line.respond(401, "no")

    def _converse(self, line: ServerConnection) -> None:
        if self.greets:
            greeting = {"type": "connected", "workspace_id": self.workspace, "proxy_id": self.proxy_id}
            line.send(json.dumps(greeting))
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
            updated = sorted(set(said) - {"type"})
            line.send(
                json.dumps({"type": "config_update_response", "status": "ok", "fields_updated": updated})
            )
        elif said.get("type") == "health_update":
            line.send(json.dumps({"type": "health_update_response", "status": "ok"}))

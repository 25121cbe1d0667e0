"""Servers that take alerts, on free ports: an SMTP server of our own (RFC 5321), and a web server. With faults."""

import base64
import json
import socketserver
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class MailServer:
    """`fault`: what it answers with after this verb, such as {"RCPT": "550 no"}, or after this line; "cut" ends
    the connection, "drip" never ends its answer."""

    port: int = 0
    fault: dict[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    at_once: bool = False
    password: str = ""
    got: list[EmailMessage] = field(default_factory=list)
    to: list[str] = field(default_factory=list)
    was_secure: list[bool] = field(default_factory=list)


class _Cut(Exception):
    pass


class _Mail(socketserver.StreamRequestHandler):
    """One session. After STARTTLS the streams are others."""

    server: Any
    timeout = 20

    def handle(self) -> None:
        self.facts: MailServer = self.server.facts
        self.secure = self.facts.at_once
        if self.facts.at_once and not self._secure():
            return
        try:
            self._say("220 test")
            while line := self.rfile.readline():
                self._answer(line.decode().strip())
        except (_Cut, OSError):
            return

    def finish(self) -> None:
        """After TLS the server knows another socket than ours."""
        super().finish()
        self.request.close()

    def _answer(self, line: str) -> None:
        verb = line.partition(" ")[0].upper()
        if fault := self.facts.fault.get(line, self.facts.fault.get(verb)):
            if fault == "cut":
                raise _Cut
            if fault == "drip":
                self._drip()
            self._say(fault)
            return
        match verb:
            case "EHLO":
                more = ["250-STARTTLS"] if self.facts.tls and not self.secure else []
                more += ["250-AUTH PLAIN"] if self.facts.password else []
                self._say("\r\n".join(["250-test", *more, "250 8BITMIME"]))
            case "STARTTLS":
                self._say("220 go on")
                if not self._secure():
                    raise _Cut
                self.secure = True
            case "AUTH":
                said = base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode().rsplit("\0", 1)[-1]
                self._say("235 welcome" if said == self.facts.password else f"535 wrong password {said}")
            case "RCPT":
                self.facts.to.append(line.partition(":")[2].strip("<>"))
                self._say("250 fine")
            case "DATA":
                self._say("354 go on")
                self._take()
            case "QUIT":
                self._say("221 bye")
                raise _Cut
            case _:
                self._say("250 fine")

    def _drip(self) -> None:
        """A byte now and then, of a line without an end."""
        while True:
            self.wfile.write(b"2")
            time.sleep(0.1)

    def _take(self) -> None:
        lines = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            lines.append(line[1:] if line.startswith(b".") else line)
        if fault := self.facts.fault.get("."):
            self._say(fault)
            return
        self.facts.got.append(message_from_bytes(b"".join(lines), policy=policy.default))
        self.facts.was_secure.append(self.secure)
        self._say("250 taken")

    def _secure(self) -> bool:
        assert self.facts.tls is not None
        try:
            self.request = self.facts.tls.wrap_socket(self.request, server_side=True)
        except OSError:
            return False
        super().finish()
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)
        return True

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


@dataclass
class Webhook:
    """`answers` are given in turn, the last one for good: (status, headers)."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(200, {})])
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]


class _Hook(BaseHTTPRequestHandler):
    server: Any
    timeout = 20

    def do_POST(self) -> None:
        facts: Webhook = self.server.facts
        body = self.rfile.read(int(self.headers["Content-Length"]))
        facts.got.append((dict(self.headers), body))
        status, headers = facts.answers.pop(0) if len(facts.answers) > 1 else facts.answers[0]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    facts: MailServer


@contextmanager
def mail_server(**facts: Any) -> Iterator[MailServer]:
    with _Server(("127.0.0.1", 0), _Mail) as server:
        server.facts = MailServer(server.server_address[1], **facts)
        with _running(server):
            yield server.facts


@contextmanager
def webhook(*answers: tuple[int, dict[str, str]]) -> Iterator[Webhook]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hook) as server:
        facts = Webhook(f"http://127.0.0.1:{server.server_address[1]}/alerts/Zm9vYmFy")
        facts.answers = list(answers) or [(200, {})]
        server.facts = facts  # type: ignore[attr-defined]
        with _running(server):
            yield facts


@contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join(5)

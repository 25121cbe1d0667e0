"""The web process: gunicorn with threads, configured by our settings and logging through our logs.

A thread that waits for somebody is a thread for nobody, and everybody can connect. So whoever does not say what they
want, or does not take what they wanted, is hung up on. Bodies have their own watches: those that move images where they
are read, all others in `bodies.py`.
"""

import socket
import struct
import time
from contextlib import ExitStack
from typing import Any, Final

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from gunicorn import glogging
from gunicorn.app.base import BaseApplication
from gunicorn.workers.gthread import ThreadWorker

from proxy.service.watch import Watch
from proxy.web.bodies import InTime
from proxy.web.heads import Readable

THREADS = 32
"""More than requests that move images may take together: pages and short questions always find one."""

PATIENCE: Final = 60
"""Seconds in which somebody takes or sends something, whatever it is."""
HEAD_WITHIN: Final = 15.0
"""Seconds for the head of a request, all of it."""

LONGEST_LINE: Final = 8_190
"""Characters of an address, all that gunicorn can: of a thousand frames, or of as many UIDs as fit."""

heads: Final = Watch(lambda: HEAD_WITHIN)


class Logger(glogging.Logger):  # type: ignore[misc]
    """Leaves handlers to proxy.web.logs, where addresses and messages are taken out."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel("WARNING")


class Worker(ThreadWorker):  # type: ignore[misc]
    def handle(self, conn: Any) -> Any:
        with ExitStack() as waiting:
            waiting.callback(heads.over, heads.reading(conn.sock, lambda: 0))
            conn.head_is_here = waiting.close
            return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        conn.head_is_here()
        return super().handle_request(req, conn)


class Web(BaseApplication):  # type: ignore[misc]
    def __init__(self, grace: int) -> None:
        self.grace = grace
        super().__init__()

    def load_config(self) -> None:
        for name, value in options(self.grace).items():
            self.cfg.set(name, value)

    def load(self) -> InTime:
        return InTime(Readable(get_wsgi_application()))


def options(grace: int) -> dict[str, Any]:
    """One worker process: SQLite knows one writer, and PostgreSQL has no shortage of threads."""
    return {
        "bind": f"{_host(settings.API_BIND_ADDRESS)}:{settings.API_PORT}",
        "worker_class": Worker,
        "when_ready": be_patient,
        "workers": 1,
        "threads": THREADS,
        "limit_request_line": LONGEST_LINE,
        "graceful_timeout": grace,
        "logger_class": Logger,
        "control_socket_disable": True,
        # It would believe whoever asks from this machine that they came by https, and where our pages lie. Whom to
        # believe is said once, in API_TRUSTED_PROXIES; proxy.api.headers reads it.
        "forwarded_allow_ips": "",
        "proc_name": "postern-web",
    }


def be_patient(arbiter: Any) -> None:
    """As long as that, and no longer. Connections have it from the socket that they came in by."""
    for listener in arbiter.LISTENERS:
        for direction in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", PATIENCE, 0))


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def objection(patience: float = 5.0) -> str:
    """Why nothing can be served at this address, after so many seconds in which one before us may end; empty if it can.
    (What gunicorn would log may quote anything.)"""
    until = time.monotonic() + patience
    while (why := _closed()) and time.monotonic() < until:
        time.sleep(0.5)
    return why


def _closed() -> str:
    host, port = settings.API_BIND_ADDRESS, settings.API_PORT
    try:
        socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET).close()
    except OSError as error:
        return f"Port {port} cannot be opened ({error.strerror}); is it taken?"
    return ""


def serve(grace: int) -> None:
    connections.close_all()  # the worker is forked: it opens its own
    Web(grace).run()

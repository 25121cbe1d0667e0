"""The web process: gunicorn with threads, configured by our settings and logging through our logs."""

from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.db import connections
from gunicorn import glogging
from gunicorn.app.base import BaseApplication

THREADS = 16


class Logger(glogging.Logger):  # type: ignore[misc]
    """Leaves handlers to proxy.web.logs, where addresses and messages are taken out."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.propagate = True
        self.error_log.setLevel("WARNING")


class Web(BaseApplication):  # type: ignore[misc]
    def __init__(self, grace: int) -> None:
        self.grace = grace
        super().__init__()

    def load_config(self) -> None:
        for name, value in options(self.grace).items():
            self.cfg.set(name, value)

    def load(self) -> WSGIHandler:
        return get_wsgi_application()


def options(grace: int) -> dict[str, Any]:
    """One worker process: SQLite knows one writer, and PostgreSQL has no shortage of threads."""
    return {
        "bind": f"{_host(settings.API_BIND_ADDRESS)}:{settings.API_PORT}",
        "worker_class": "gthread",
        "workers": 1,
        "threads": THREADS,
        "graceful_timeout": grace,
        "logger_class": Logger,
        "control_socket_disable": True,
        "proc_name": "postern-web",
    }


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def serve(grace: int) -> None:
    connections.close_all()  # the worker is forked: it opens its own
    Web(grace).run()

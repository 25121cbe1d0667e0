"""Receive images: C-ECHO and C-STORE on DICOM_PORT and DICOM_TLS_PORT, until SIGTERM or SIGINT."""

import argparse
import logging
import os
import signal
import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from proxy.management import configured, ports, start
from proxy.management.listening import serving, usher
from proxy.management.listening.crew import Crew
from proxy.management.stopping import Asked, Told
from proxy.management.supervisor import Service
from proxy.network.doorstep import Doorstep
from proxy.network.scp import ListenSettings
from proxy.network.seats import Board
from proxy.network.tls import TlsUnusable, server_context
from proxy.web.logs import set_up

log = logging.getLogger(__name__)

MOST_BY_DEFAULT = 8  # processes; more are started only if DICOM_WORKERS says so
LAST_MOMENT = 5.0  # seconds beyond the grace, to commit and end


class Command(BaseCommand):
    requires_system_checks = []  # they load the pages, which `serve` and `web` check, and which stay nowhere else
    help = (
        "Listen for DICOM associations (C-ECHO, C-STORE) on DICOM_BIND_ADDRESS:DICOM_PORT. Every image loses its "
        "patient's identity before it touches the disk. Ends on SIGTERM: running associations may finish first. "
        "SIGHUP reads the settings anew (all but ports and DICOM_WORKERS) and drops no association."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--grace", type=float, default=20.0, help="Seconds running associations get (default 20)."
        )
        parser.add_argument(
            "--served", nargs=3, type=int, metavar=("LINE", "BOARD", "SLOT"), help=argparse.SUPPRESS
        )

    def handle(self, *args: Any, grace: float, served: list[int] | None, **options: Any) -> None:
        if served is None:
            self._usher(grace)
        else:
            _serve(served, grace)

    def _usher(self, grace: float) -> None:
        told, renewal = Told(), Asked(signal.SIGHUP)
        start.prepare()
        configured.mark("listen")
        connections.close_all()
        set_up("listen")
        opened = [_open(wanted) for wanted in ports.wanted()]
        doorstep = Doorstep(settings.DICOM_MAX_ASSOCIATIONS)
        crew = Crew(Service.managed("listen", "--grace", str(grace)), workers(), doorstep)
        self._announce(opened)
        try:
            usher.Usher(opened, crew, doorstep).run(told.is_set, renewal.take)
        finally:
            for port in opened:
                port.close()
            crew.stop(grace + LAST_MOMENT)
        log.info("stopped")

    def _announce(self, opened: list[socket.socket]) -> None:
        for port, wanted in zip(opened, ports.wanted(), strict=True):
            how = "with TLS on port" if wanted.tls else "on port"
            words = f"as {settings.DICOM_AE_TITLE} {how} {port.getsockname()[1]}, {workers()} processes"
            log.info("listening %s", words)
            self.stdout.write(f"Listening {words}.")
        self.stdout.flush()


def workers() -> int:
    """One process for each core that is ours, unless DICOM_WORKERS says how many."""
    return settings.DICOM_WORKERS or min(len(os.sched_getaffinity(0)), MOST_BY_DEFAULT)


def _open(wanted: ListenSettings) -> socket.socket:
    try:
        if wanted.tls is not None:
            server_context(wanted.tls)
        return usher.opened(wanted.bind, wanted.port)
    except TlsUnusable as error:
        hint = "See DICOM_TLS_CERTIFICATE, DICOM_TLS_KEY and DICOM_TLS_AUTHORITIES."
        raise CommandError(f"{error} {hint}") from None
    except OSError as error:
        why = f"Port {wanted.port} cannot be opened ({error.strerror}); is it taken?"
        raise CommandError(why) from None


def _serve(served: list[int], grace: float) -> None:
    line, board, slot = served
    set_up(f"listen-{slot + 1}")
    configured.mark("listen")
    log.info("serving")
    serving.serve(socket.socket(fileno=line), Board(board), slot, grace)
    log.info("stopped")

"""Receive images: C-ECHO and C-STORE on DICOM_PORT and DICOM_TLS_PORT, until SIGTERM or SIGINT."""

import logging
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from proxy import pipeline
from proxy.management import ports, start
from proxy.management.stopping import until_told
from proxy.network.door import Door
from proxy.network.scp import Listener, ListenSettings
from proxy.network.tls import TlsUnusable
from proxy.web.logs import set_up

log = logging.getLogger(__name__)


class Command(BaseCommand):
    help = (
        "Listen for DICOM associations (C-ECHO, C-STORE) on DICOM_BIND_ADDRESS:DICOM_PORT. Every image loses its "
        "patient's identity before it touches the disk. Ends on SIGTERM: running associations may finish first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--grace", type=float, default=20.0, help="Seconds running associations get (default 20)."
        )

    def handle(self, *args: Any, grace: float, **options: Any) -> None:
        start.prepare()
        set_up("listen")
        door, close = pipeline.open_reception()
        listeners = self._open(door)
        until_told()
        _stop(listeners, grace)
        close()
        log.info("stopped")

    def _open(self, door: Door) -> list[Listener]:
        """The plain port, and the TLS port beside it; both share the seats."""
        opened: list[Listener] = []
        for wanted in (ports.plain(), ports.secure()):
            if wanted is None:
                continue
            listener = Listener(wanted, door, opened[0].seats if opened else None)
            try:
                listener.start()
            except (OSError, TlsUnusable) as error:
                _stop(opened, 0)
                raise CommandError(_why_not(wanted, error)) from None
            opened.append(listener)
            how = "with TLS on port" if wanted.tls else "on port"
            log.info("listening as %s %s %s", settings.DICOM_AE_TITLE, how, listener.port)
            self.stdout.write(f"Listening as {settings.DICOM_AE_TITLE} {how} {listener.port}.")
        return opened


def _why_not(wanted: ListenSettings, error: Exception) -> str:
    if isinstance(error, TlsUnusable):
        return f"{error} See DICOM_TLS_CERTIFICATE, DICOM_TLS_KEY and DICOM_TLS_AUTHORITIES."
    return f"Port {wanted.port} cannot be opened ({getattr(error, 'strerror', error)}); is it taken?"


def _stop(listeners: list[Listener], grace: float) -> None:
    """All at once: the grace is for all of them together."""
    threads = [threading.Thread(target=one.stop, args=(grace,)) for one in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

"""Receive images: C-ECHO and C-STORE on DICOM_PORT, until SIGTERM or SIGINT."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from proxy import pipeline
from proxy.management import start
from proxy.management.stopping import until_told
from proxy.network.scp import Listener, ListenSettings
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
        listener = Listener(listen_settings(), door)
        try:
            listener.start()
        except OSError as error:
            raise CommandError(
                f"Port {settings.DICOM_PORT} cannot be opened ({error.strerror}); is it taken?"
            ) from None
        log.info("listening as %s on port %s", settings.DICOM_AE_TITLE, listener.port)
        self.stdout.write(f"Listening as {settings.DICOM_AE_TITLE} on port {listener.port}.")
        until_told()
        listener.stop(grace)
        close()
        log.info("stopped")


def listen_settings() -> ListenSettings:
    return ListenSettings(
        ae_title=settings.DICOM_AE_TITLE,
        port=settings.DICOM_PORT,
        bind=settings.DICOM_BIND_ADDRESS,
        max_pdu=settings.DICOM_MAX_PDU_SIZE,
        acse_timeout=settings.DICOM_ACSE_TIMEOUT,
        dimse_timeout=settings.DICOM_DIMSE_TIMEOUT,
        network_timeout=settings.DICOM_NETWORK_TIMEOUT,
        max_associations=settings.DICOM_MAX_ASSOCIATIONS,
        accepted=tuple(settings.DICOM_ACCEPTED_CLASSES),
    )

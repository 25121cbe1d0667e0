"""The whole house with one command: listener, web, workers and link, watched and started again."""

import signal
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connections

from proxy.management import start
from proxy.management.stopping import Asked, Told
from proxy.management.supervisor import Service, supervise
from proxy.web import logs

SERVICES = ("listen", "link", "web", "work")
"""In the order they are stopped: first nothing new comes in, last what is here goes out."""


class Command(BaseCommand):
    help = (
        "Start, watch and restart the listener, the web pages, the workers and, if ITH_URL is set, the link to the "
        "backend. Ends all of them on SIGTERM; SIGHUP lets the listener read its settings anew."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", nargs="+", choices=SERVICES, default=SERVICES, help="Not all of them.")
        parser.add_argument(
            "--grace", type=float, default=30.0, help="Seconds each gets to stop (default 30)."
        )

    def handle(self, *args: Any, only: list[str], grace: float, **options: Any) -> None:
        told, renewal = Told(), Asked(signal.SIGHUP)
        logs.set_up("serve")
        for line in start.announce(start.prepare(admin=True)):
            self.stdout.write(line)
        connections.close_all()
        self.stdout.write(
            f"Web: {address()}. DICOM: {settings.DICOM_AE_TITLE} on port {settings.DICOM_PORT}."
        )
        self.stdout.flush()
        supervise([Service.managed(name) for name in wanted(only)], told.wait, grace, renewal.take)


def wanted(only: Sequence[str]) -> list[str]:
    """Without a backend there is no link, whoever names it."""
    return [name for name in SERVICES if name in only and (name != "link" or settings.ITH_URL)]


def address() -> str:
    return f"http://localhost:{settings.API_PORT}/"

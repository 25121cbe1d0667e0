"""Settle studies and deliver them, until SIGTERM or SIGINT."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from proxy import pipeline
from proxy.management import configured, start
from proxy.management.stopping import Told
from proxy.web.logs import set_up

log = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = []  # they load the pages, which `serve` and `web` check, and which stay nowhere else
    help = (
        "Find studies that have gone quiet (DICOM_STUDY_TIMEOUT), open a delivery for each destination and do "
        "them. Any number of these may run; one delivery is never done by two. Ends on SIGTERM."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--workers", type=int, default=settings.DELIVERY_WORKERS, help="Deliveries at once."
        )
        parser.add_argument(
            "--grace", type=float, default=20.0, help="Seconds running deliveries get (default 20)."
        )

    def handle(self, *args: Any, workers: int, grace: float, **options: Any) -> None:
        start.prepare()
        configured.mark("work")
        set_up("work")
        told, crew = Told(), pipeline.crew(workers)
        self.stdout.write("Working.")
        log.info("working with %s workers", workers)
        pipeline.work(timezone.now, lambda: not told.is_set(), crew)
        crew.stop(grace)
        log.info("stopped")

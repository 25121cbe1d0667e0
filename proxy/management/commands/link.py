"""Keep in touch with the backend, until SIGTERM or SIGINT."""

import logging
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from proxy.link.running import Link
from proxy.management import configured, start
from proxy.management.stopping import Told
from proxy.web.logs import set_up

log = logging.getLogger(__name__)


class Command(BaseCommand):
    requires_system_checks = []  # they load the pages, which `serve` and `web` check, and which stay nowhere else
    help = (
        "Fetch the configuration from the backend (ITH_URL, ITH_TOKEN), keep its WebSocket open, tell it how we and "
        "its nodes are, and do what it dispatches. Ends on SIGTERM."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.ITH_URL or not settings.ITH_TOKEN:
            raise CommandError("There is no backend: set ITH_URL and ITH_TOKEN.")
        start.prepare()
        configured.mark("link")
        set_up("link")
        told = Told()
        self.stdout.write("Linked.")
        self.stdout.flush()
        Link(told.wait).run()
        log.info("stopped")

"""Serve the web pages and the API on API_PORT, until SIGTERM or SIGINT."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from proxy.management import configured, start
from proxy.web import logs, server


class Command(BaseCommand):
    help = "Serve the web pages and the API on API_BIND_ADDRESS:API_PORT. Ends on SIGTERM."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--grace", type=int, default=20, help="Seconds running requests get (default 20)."
        )

    def handle(self, *args: Any, grace: int, **options: Any) -> None:
        start.prepare()
        configured.mark("web")
        logs.set_up("web")
        if why := server.objection():
            raise CommandError(why)
        server.serve(grace)

"""Tokens with which nodes come in over HTTP (docs/dicomweb.md)."""

from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.routing import tokens
from proxy.routing.match import load_table
from proxy.routing.models import Node, NodeToken


class Command(TeachingCommand):
    help = (
        "Tokens with which a node of the site file asks and stores over DICOMweb. A token stands for what an "
        "association says: which node calls, and which AE title it calls, which decides the route of what it stores. "
        "What the node may and sees is what the site file says of it. A token is shown once; we keep its digest only."
    )
    examples = (
        "token make VIEWER",
        "token make SCANNER --called RESEARCH --until 2027-12-31",
        "token list",
        "token withdraw 3",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True, metavar="ACT")
        one = acts.add_parser("make", help="a new token for a node")
        one.add_argument("node", help="its name in the site file")
        one.add_argument("--called", help="the AE title that it calls (default: DICOM_AE_TITLE)")
        one.add_argument("--until", type=date.fromisoformat, help="its last day (default: until withdrawn)")
        acts.add_parser("list", help="those in force, and when they were used")
        one = acts.add_parser("withdraw", aliases=["revoke"], help="it is not accepted from now on")
        one.add_argument("token", type=int, help="its number, as `list` shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        match options["act"]:
            case "make":
                self._make(options["node"], options["called"] or settings.DICOM_AE_TITLE, options["until"])
            case "list":
                for line in listed():
                    self.stdout.write(line)
            case _:
                if not tokens.withdraw(options["token"], console_user(), timezone.now()):
                    raise CommandError("There is no such token in force.")
                self.stdout.write(f"Token {options['token']} is not accepted any more.")

    def _make(self, name: str, called_ae: str, until: date | None) -> None:
        node = Node.objects.filter(name=name, retired_at=None).first()
        if node is None:
            raise CommandError("There is no node of this name in force; `export_site` names them.")
        if until is not None and until < timezone.now().date():
            raise CommandError("--until is a day that has passed.")
        row, secret = tokens.make(node, called_ae, console_user(), timezone.now(), until)
        for line in warnings(node, called_ae):
            self.stderr.write(line)
        self.stderr.write(f"Token {row.pk} of {name}. It is shown this once:")
        self.stdout.write(secret)


def warnings(node: Node, called_ae: str) -> Iterator[str]:
    """What this token will not do, as things are configured now."""
    if "store" in node.may and load_table().route_for(called_ae, node.ae_title) is None:
        yield f"No route goes from {node.ae_title} to {called_ae}: nothing can be stored with it."
    if not node.may:
        yield "The site file does not say that this node may anything: `may` is empty."


def listed() -> Iterator[str]:
    rows = NodeToken.objects.filter(withdrawn_at=None).select_related("node").order_by("pk")
    for row in rows:
        until = f"until {row.until}" if row.until else "no end"
        used = f"used {row.used_at:%Y-%m-%d %H:00}" if row.used_at else "never used"
        yield f"{row.pk:>4}  {row.node.name} calls {row.called_ae}, {until}, {used}, made by {row.made_by}"

"""Fetch studies from a PACS, without their names."""

import sys
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from proxy import pipeline
from proxy.audit import actions
from proxy.management.pulling import options as given
from proxy.management.pulling.runs import logged
from proxy.management.pulling.working import Work, ending_in_order
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.retrieval.pulls.book import Order
from proxy.retrieval.pulls.bringing import GET, MOVE, Bringing, Means
from proxy.retrieval.pulls.throttle import Pace
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Node
from proxy.routing.peers import peer_of

OUTSIDE = (
    "{node} has what is pseudonymous already (`outside`), and would get new pseudonyms: have it send its results, "
    "and they come home."
)


class Command(TeachingCommand):
    help = (
        "Ask a PACS for studies and fetch them, the way of every image: without a name before they touch the disk. "
        "C-GET first; where the PACS does not offer it, C-MOVE to our own listener, after one image, the canary, has "
        "proved that the PACS's entry for us leads here. What the PACS lists is held against what arrived; the same "
        "call goes on after a crash and fetches nothing twice. Exit code 0 if all is here, 1 if something is missing, "
        "130 if stopped."
    )
    examples = (
        "pull --from PACS --study 1.2.840.113619... --practice",
        "pull --from PACS --query-file accessions.csv --between 20:00-06:00 --rate 20",
        "pull --from PACS --date-range 20240101-20240131 --modality CT --max 500",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        given.add(parser)
        parser.add_argument("--by", choices=(GET, MOVE), default="", help="only by C-GET, or only by C-MOVE")
        parser.add_argument(
            "--as-called",
            metavar="AE",
            default="",
            help="take them as if they had been sent to this AE title, which decides the route; with C-MOVE the PACS "
            "must know it (default: DICOM_AE_TITLE)",
        )
        parser.add_argument(
            "--canary-within",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="how long to wait for it (default 30)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        wanted = given.read(options)
        if wanted.node.outside:
            raise CommandError(OUTSIDE.format(node=wanted.node.name))
        if not 0 < options["canary_within"] <= 3600:
            raise CommandError("--canary-within is a number of seconds, at most 3600.")
        called = options["as_called"] or settings.DICOM_AE_TITLE
        route = _route(called, wanted.node)
        peer = peer_of(wanted.node)
        order = Order(wanted.node.pk, called, console_user())
        with ending_in_order(self.stderr.write), logged("pull", self.stdout) as say:
            work = Work(wanted, order, peer, "here", actions.IMAGES_PULLED, say)
            if wanted.practice:
                work.practice()
                return
            door, close = pipeline.open_pull(wanted.node.pk)
            means = Means.of(peer, called, door, route.project_id, settings.DICOM_ACCEPTED_CLASSES)
            means = replace(
                means,
                by=options["by"],
                canary_within=options["canary_within"],
                pace=Pace(wanted.rate),
                tell=work.progress.image,
            )
            try:
                complete = work.do(Bringing(means))
            finally:
                close()
        if not complete:
            sys.exit(1)


def _route(called: str, node: Node) -> RouteFacts:
    route = load_table().route_for(called, node.ae_title)
    if route is None:
        raise CommandError(
            f"No route takes what {node.name} sends to {called}: see the site file, or --as-called."
        )
    return route

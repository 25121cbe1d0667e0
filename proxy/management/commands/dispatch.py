"""Ask a PACS to move studies to another node."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from proxy.audit import actions
from proxy.management.pulling import options as given
from proxy.management.pulling.options import node_named
from proxy.management.pulling.runs import logged
from proxy.management.pulling.working import Work, ending_in_order
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.retrieval.pulls.book import Order
from proxy.retrieval.pulls.dispatching import Dispatching
from proxy.retrieval.pulls.throttle import Pace
from proxy.routing.peers import peer_of


class Command(TeachingCommand):
    help = (
        "Ask a PACS to move studies to another node of the site file (C-MOVE). They go from one to the other as they "
        "are, WITH their names, and do not pass here: how many arrived is what the PACS says. The PACS must know the "
        "other node's AE title, and only it knows where that leads. The same call goes on with what was not moved. "
        "Exit code 0 if all was moved, 1 if something was not, 130 if stopped."
    )
    examples = (
        "dispatch --from PACS --to READING --accession A-4711 --practice",
        "dispatch --from PACS --to READING --query-file studies.csv --between 20:00-06:00",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        given.add(parser)
        parser.add_argument(
            "--to", required=True, metavar="NODE", help="the node to move them to, by its name"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        wanted, to = given.read(options), node_named(options["to"])
        if to.pk == wanted.node.pk:
            raise CommandError("--from and --to are one node.")
        peer = peer_of(wanted.node)
        order = Order(wanted.node.pk, to.ae_title, console_user(), to.pk)
        with ending_in_order(self.stderr.write), logged("dispatch", self.stdout) as say:
            work = Work(wanted, order, peer, "moved", actions.IMAGES_DISPATCHED, say)
            if wanted.practice:
                work.practice()
                return
            complete = work.do(Dispatching(peer, to.ae_title, Pace(wanted.rate), work.progress.image))
        if not complete:
            sys.exit(1)

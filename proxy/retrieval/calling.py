"""Call those who asked for storage commitment and have hung up since, with what became of it."""

import logging

from django.utils import timezone

from proxy.network.commitment import call
from proxy.retrieval.commitments import Commitments
from proxy.routing.peers import peer_of

log = logging.getLogger(__name__)


def call_who_waits(commitments: Commitments) -> int:
    """How many heard their result."""
    heard = 0
    for row, result in commitments.due_by_call(timezone.now()):
        why = call(peer_of(row.node), result)
        commitments.told(result, heard=not why, why=why)
        heard += not why
        log.info("commitment %s of %s: %s", row.pk, row.node.name, why or "heard")
    return heard

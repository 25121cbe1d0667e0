"""Call those who asked for storage commitment and have hung up since, with what became of it."""

import logging
import threading

from django.db import close_old_connections, connections
from django.utils import timezone

from proxy.network.commitment import call
from proxy.retrieval.commitments import Commitments
from proxy.routing.peers import peer_of

log = logging.getLogger(__name__)

LOOK_EVERY = 1.0


def call_who_waits(commitments: Commitments) -> int:
    """How many heard their result."""
    heard = 0
    for row, result in commitments.due_by_call(timezone.now()):
        why = call(peer_of(row.node), result)
        commitments.told(result, heard=not why, why=why)
        heard += not why
        log.info("commitment %s of %s: %s", row.pk, row.node.name, why or "heard")
    return heard


class Caller:
    """A thread of its own: an asker that does not answer keeps nobody else waiting."""

    def __init__(self, commitments: Commitments) -> None:
        self._commitments = commitments
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="commitments", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> None:
        self._stop.set()
        self._thread.join(grace)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY):
            try:
                close_old_connections()
                call_who_waits(self._commitments)
            except Exception as trouble:
                log.error("calling about commitments ended in %s; it is tried again", type(trouble).__name__)
                connections.close_all()
        connections.close_all()

"""How we are and which nodes answer: a thread asks now and then, whoever tells the backend reads what it found."""

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from django.db import connections
from django.utils import timezone

from proxy.backend.models import BackendNode
from proxy.network.scu import echo
from proxy.routing import listener
from proxy.routing.models import Node
from proxy.routing.peers import peer_of

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 30.0  # seconds
PATIENCE: Final = 5.0
AT_ONCE: Final = 4


@dataclass(frozen=True, slots=True)
class Health:
    """`nodes`: by the backend's id. One that was never asked is not in it."""

    is_online: bool = False
    nodes: Mapping[str, bool] = field(default_factory=dict)


def listens() -> bool:
    """Whether the listener reads what arrives."""
    return listener.reads(PATIENCE)


def answers(node: Node) -> bool:
    return echo(peer_of(node, PATIENCE)).ok


def look(ask: Callable[[Node], bool] = answers) -> Health:
    """Ask everybody, a few at once, and keep what they said."""
    rows = list(BackendNode.objects.filter(is_active=True, node__isnull=False).select_related("node"))
    nodes = [row.node for row in rows if row.node is not None]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda node: _quietly(ask, node), nodes))
    now = timezone.now()
    for row, is_reachable in zip(rows, found, strict=True):
        mine = BackendNode.objects.filter(pk=row.pk, node=row.node)
        mine.update(is_reachable=is_reachable, checked_at=now)
    return Health(listens(), {row.backend_id: one for row, one in zip(rows, found, strict=True)})


def _quietly(ask: Callable[[Node], bool], node: Node) -> bool:
    try:
        return ask(node)
    except Exception as trouble:
        log.warning("node %s could not be asked (%s)", node, type(trouble).__name__)
        return False


class Watcher:
    """Looks again and again. `latest` never waits for anybody."""

    def __init__(self, look: Callable[[], Health] = look, every: float = LOOK_EVERY) -> None:
        self._look, self._every = look, every
        self._latest: Health | None = None
        self._wanted, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    @property
    def latest(self) -> Health | None:
        """None before the first look is done."""
        return self._latest

    def start(self) -> None:
        self._thread.start()

    def want(self) -> None:
        self._wanted.set()

    def stop(self, grace: float) -> None:
        self._stopped.set()
        self._wanted.set()
        self._thread.join(grace)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wanted.clear()
            try:
                self._latest = self._look()
            except Exception as trouble:
                log.error("health: %s while looking; it is tried again", type(trouble).__name__)
            connections.close_all()
            self._wanted.wait(self._every)

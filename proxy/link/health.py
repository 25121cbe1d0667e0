"""How we are and which nodes answer: threads ask now and then, whoever tells the backend reads what they found.

Many nodes that answer nothing take minutes; whether our own listener answers is asked beside that, by another thread.
"""

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
LISTEN_EVERY: Final = 10.0
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


def look(ask: Callable[[Node], bool] = answers) -> Mapping[str, bool]:
    """Ask everybody, a few at once, and keep what they said, by the backend's id."""
    rows = list(BackendNode.objects.filter(is_active=True, node__isnull=False).select_related("node"))
    nodes = [row.node for row in rows if row.node is not None]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda node: _quietly(ask, node), nodes))
    now = timezone.now()
    for row, is_reachable in zip(rows, found, strict=True):
        mine = BackendNode.objects.filter(pk=row.pk, node=row.node)
        mine.update(is_reachable=is_reachable, checked_at=now)
    return {row.backend_id: one for row, one in zip(rows, found, strict=True)}


def _quietly(ask: Callable[[Node], bool], node: Node) -> bool:
    try:
        return ask(node)
    except Exception as trouble:
        log.warning("node %s could not be asked (%s)", node, type(trouble).__name__)
        return False


class Watcher:
    """Looks again and again. `latest` never waits for anybody."""

    def __init__(
        self,
        look: Callable[[], Mapping[str, bool]] = look,
        listens: Callable[[], bool] = listens,
        every: float = LOOK_EVERY,
        listens_every: float = LISTEN_EVERY,
    ) -> None:
        self._look, self._listens = look, listens
        self._is_online: bool | None = None
        self._nodes: Mapping[str, bool] = {}
        self._stopped = threading.Event()
        self._wanted = (threading.Event(), threading.Event())
        steps = ((self._look_at_nodes, every), (self._look_at_us, listens_every))
        self._threads = [
            threading.Thread(target=self._run, name="watcher", args=(step, pause, wanted), daemon=True)
            for (step, pause), wanted in zip(steps, self._wanted, strict=True)
        ]

    @property
    def latest(self) -> Health | None:
        """None before the first look at ourselves is done."""
        return None if self._is_online is None else Health(self._is_online, self._nodes)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def want(self) -> None:
        for one in self._wanted:
            one.set()

    def stop(self, grace: float) -> None:
        self._stopped.set()
        self.want()
        for thread in self._threads:
            thread.join(grace / len(self._threads))

    def _look_at_nodes(self) -> None:
        self._nodes = self._look()

    def _look_at_us(self) -> None:
        self._is_online = self._listens()

    def _run(self, step: Callable[[], None], every: float, wanted: threading.Event) -> None:
        while not self._stopped.is_set():
            wanted.clear()
            try:
                step()
            except Exception as trouble:
                log.error("health: %s while looking; it is tried again", type(trouble).__name__)
            connections.close_all()
            wanted.wait(every)

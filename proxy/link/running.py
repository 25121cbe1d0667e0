"""The link: ask for the configuration, keep the WebSocket open, forever. Whatever ends is begun again."""

import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import close_old_connections, connections
from django.utils import timezone
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from proxy.backend import outbox
from proxy.backend.keeping import standing
from proxy.backend.models import Standing
from proxy.deliveries.directions import backend_in_clear, backend_trust
from proxy.link import addresses, messages, whereabouts
from proxy.link.asking import Asker
from proxy.link.calling import NotConnected, call
from proxy.link.conversation import CONFIG_UPDATE, Conversation
from proxy.link.dispatching import Dispatcher
from proxy.link.events import Events
from proxy.link.health import Watcher
from proxy.link.patience import pause_after

log = logging.getLogger(__name__)

GOOD_LIFE: Final = 30.0  # seconds that a connection must have lasted, to be tried again at once
NOTE_EVERY: Final = 10.0
LOST: Final = "the connection to the backend was lost; it is opened again"


class Link:
    """`wait` sleeps for so many seconds, or shorter, and says whether it is time to end."""

    def __init__(self, wait: Callable[[float], bool]) -> None:
        self.wait = wait
        self.watcher = Watcher()
        self.asker = Asker(then=self.watcher.want)
        self.dispatcher = Dispatcher()
        self.events = Events(self.asker.want)
        self.failures = 0
        self.registered: dict[str, Any] = {}

    def run(self) -> None:
        self._register()
        self.asker.start()
        self.watcher.start()
        self.dispatcher.start()
        while not self.wait(0):
            began = time.monotonic()
            was_good = self._quietly() and time.monotonic() - began >= GOOD_LIFE
            self.failures = 0 if was_good else self.failures + 1
            if self.wait(pause_after(self.failures, random.random())):
                break
        self.dispatcher.stop(5.0)
        self.asker.stop(1.0)
        self.watcher.stop(1.0)

    def _register(self) -> None:
        """At the start, and when our address is another one: a machine that boots may have had no network yet."""
        said = registration()
        if said != self.registered:
            self.registered = said
            outbox.put(CONFIG_UPDATE, said, timezone.now())

    def _quietly(self) -> bool:
        """One connection from its beginning to its end; whether the backend greeted us."""
        try:
            close_old_connections()
            return self._once()
        except ConnectionClosed:
            log.warning(LOST)
            return True
        except Exception as trouble:
            log.error("link: %s; it is begun again", type(trouble).__name__)
            connections.close_all()
            return False

    def _once(self) -> bool:
        if in_clear := backend_in_clear():
            log.warning("%s", in_clear.reason)
            return False
        key_in_query = settings.ITH_WS_KEY_IN_QUERY
        answer = call(settings.ITH_URL, settings.ITH_TOKEN, key_in_query=key_in_query, trust=backend_trust())
        if isinstance(answer, NotConnected):
            log.warning("%s", answer.reason)
            return False
        log.info("connected with the backend")
        self._register()
        try:
            with answer:
                self._talk(answer)
        finally:
            note_connected(False)
        return True

    def _talk(self, line: ClientConnection) -> None:
        conversation = Conversation(
            line, settings.PROXY_VERSION, self.events.take, lambda: self.watcher.latest
        )
        outbox.send_all_again(timezone.now())
        self.asker.want()  # what happened while we were away, nobody tells us
        noted = float("-inf")
        while not self.wait(0):
            conversation.go_on(timezone.now())
            if time.monotonic() - noted >= NOTE_EVERY:
                noted = time.monotonic()
                note_connected(True)
                close_old_connections()


def registration() -> dict[str, Any]:
    """What tells the backend where we are."""
    facts = whereabouts.gather(settings.PROXY_HOST_IP, addresses.host_and_port(settings.ITH_URL))
    return messages.config_update(
        whereabouts.choose(facts),
        settings.DICOM_PORT,
        settings.DICOM_AE_TITLE,
        settings.API_PORT,
        settings.PROXY_VERSION,
    )


def note_connected(is_connected: bool) -> None:
    """For the doctor and the page."""
    now = timezone.now()
    standing()
    rows = Standing.objects.filter(pk=1)
    if is_connected:
        rows.filter(connected_at=None).update(connected_at=now)
        rows.update(heard_at=now)
    else:
        rows.update(connected_at=None)

"""One connection's life: hear what the backend says, say what must be said. Nothing here waits for an answer.

Answers are matched when they come, so an event that comes first is handled first. A message to which the platform gives
no answer counts as arrived when a ping that was sent after it is answered: the other side has read up to there.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from proxy.backend import outbox
from proxy.backend.outbox import Sent
from proxy.link import messages
from proxy.link.health import Health
from proxy.link.messages import Connected, Event, Nonsense, Ping, Response, Unknown

log = logging.getLogger(__name__)

LISTEN_FOR: Final = 0.25  # seconds
HEALTH_EVERY: Final = timedelta(seconds=10)
NOT_MORE_OFTEN: Final = timedelta(seconds=1)
CONFIG_UPDATE: Final = "config_update"


class Line(Protocol):
    """What we need of a WebSocket; the library's connection is one. All of it may raise ConnectionClosed."""

    def recv(self, timeout: float | None = None) -> str | bytes: ...

    def send(self, message: str) -> None: ...

    def ping(self) -> threading.Event: ...


@dataclass(slots=True)
class Conversation:
    """`take` hears each event, in the order in which they come; it must not wait for anything."""

    line: Line
    version: str
    take: Callable[[Event], None]
    health: Callable[[], Health | None]
    is_greeted: bool = False
    _told: Health | None = None
    _told_at: datetime | None = None
    _asked: dict[str, Sent] = field(default_factory=dict)  # by the message's type
    _pinged: list[tuple[threading.Event, tuple[Sent, ...]]] = field(default_factory=list)

    def go_on(self, now: datetime) -> None:
        """One round: at most one message in, whatever is due out."""
        text = self._next()
        if text is not None:
            self.hear(text)
        self._send_due(now)
        self._look_at_pongs()
        self._tell_health(now)

    def _next(self) -> str | bytes | None:
        try:
            return self.line.recv(timeout=LISTEN_FOR)
        except TimeoutError:
            return None

    def hear(self, text: str | bytes) -> None:
        match messages.heard(text):
            case Event() as event:
                log.info("the backend says %s", event.type)
                self.take(event)
            case Connected():
                self.is_greeted = True
            case Ping():
                self._say({"type": "pong"})
            case Response(to, is_ok):
                self._answered(to, is_ok)
            case Unknown(kind):
                log.info("the backend says something that we do not know: %s", kind)
            case Nonsense(why):
                log.warning("a message of the backend makes no sense: %s", why)

    def _answered(self, to: str, is_ok: bool) -> None:
        if not is_ok:
            log.warning("the backend did not accept our %s", to)
        sent = self._asked.pop(to, None)
        if sent is not None:
            outbox.acknowledge(sent)

    def _send_due(self, now: datetime) -> None:
        unanswered = []
        for sent, body in outbox.due(now):
            self._say(body)
            outbox.note_sent(sent, now)
            if sent.key == CONFIG_UPDATE:
                self._asked[CONFIG_UPDATE] = sent
            else:
                unanswered.append(sent)
        if unanswered:
            self._pinged.append((self.line.ping(), tuple(unanswered)))

    def _look_at_pongs(self) -> None:
        for answered, those in self._pinged:
            if answered.is_set():
                for sent in those:
                    outbox.acknowledge(sent)
        self._pinged = [one for one in self._pinged if not one[0].is_set()]

    def _tell_health(self, now: datetime) -> None:
        health = self.health()
        if health is None:
            return
        since = now - self._told_at if self._told_at else HEALTH_EVERY
        is_due = since >= HEALTH_EVERY or since < timedelta(0)  # or the clock was put back
        if is_due or (health != self._told and since >= NOT_MORE_OFTEN):
            self._say(messages.health_update(health.is_online, self.version, health.nodes))
            self._told, self._told_at = health, now

    def _say(self, body: Mapping[str, Any]) -> None:
        self.line.send(json.dumps(body))

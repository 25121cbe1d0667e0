"""One connection: nothing waits for an answer, and what gets none counts when a later ping is answered."""

import json
import threading
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from proxy.backend import outbox
from proxy.backend.models import Outgoing
from proxy.link.conversation import Conversation
from proxy.link.health import Health
from proxy.link.messages import Event

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeLine:
    def __init__(self) -> None:
        self.coming: deque[str | bytes] = deque()
        self.said: list[dict[str, Any]] = []
        self.pongs: list[threading.Event] = []

    def recv(self, timeout: float | None = None) -> str | bytes:
        if not self.coming:
            raise TimeoutError
        return self.coming.popleft()

    def send(self, message: str) -> None:
        self.said.append(json.loads(message))

    def ping(self) -> threading.Event:
        self.pongs.append(threading.Event())
        return self.pongs[-1]

    def kinds(self) -> list[str]:
        return [one.get("type") or one["event_type"] for one in self.said]


class Scene:
    def __init__(self) -> None:
        self.line, self.taken, self.health = FakeLine(), list[Event](), Health(True, {"n1": True})
        self.talk = Conversation(self.line, "1.0.0", self.taken.append, lambda: self.health)

    def hear(self, *messages: object) -> None:
        self.line.coming.extend(one if isinstance(one, str | bytes) else json.dumps(one) for one in messages)
        for _ in messages:
            self.talk.go_on(NOW)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_health_is_told_every_ten_seconds_and_on_change(scene: Scene) -> None:
    for seconds in (0, 1, 9):
        scene.talk.go_on(NOW + timedelta(seconds=seconds))
    assert scene.line.kinds() == ["health_update"]
    scene.talk.go_on(NOW + timedelta(seconds=10))
    scene.health = Health(True, {"n1": False})
    scene.talk.go_on(NOW + timedelta(seconds=10.5))
    assert scene.line.kinds() == ["health_update"] * 2
    scene.talk.go_on(NOW + timedelta(seconds=11))
    assert scene.line.said[-1]["nodes"] == [{"node_id": "n1", "is_reachable": False}]


def test_health_is_told_after_the_clock_was_put_back(scene: Scene) -> None:
    """The backend would take us for dead until the clock is there again."""
    scene.talk.go_on(NOW)
    scene.talk.go_on(NOW - timedelta(days=1))
    scene.talk.go_on(NOW - timedelta(days=1))
    assert scene.line.kinds() == ["health_update"] * 2


def test_before_anybody_looked_no_health_is_told(scene: Scene) -> None:
    scene.talk.health = lambda: None
    scene.talk.go_on(NOW)
    assert not scene.line.said


def test_an_event_that_comes_before_the_answer_is_handled(scene: Scene) -> None:
    outbox.put("config_update", {"type": "config_update"}, NOW)
    scene.talk.go_on(NOW)
    scene.hear({"event_type": "proxy.config_changed"}, {"type": "config_update_response", "status": "ok"})
    assert [one.type for one in scene.taken] == ["proxy.config_changed"]
    assert not Outgoing.objects.exists()


def test_a_refused_registration_is_told_and_not_repeated(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    outbox.put("config_update", {"type": "config_update"}, NOW)
    scene.talk.go_on(NOW)
    scene.hear({"type": "config_update_response", "error": "Exampleova"})
    assert not Outgoing.objects.exists()
    assert "did not accept our config_update" in caplog.text and "Exampleova" not in caplog.text


def test_an_unasked_answer_does_no_harm(scene: Scene) -> None:
    outbox.put("config_update", {"type": "config_update"}, NOW + timedelta(hours=1))
    scene.hear({"type": "config_update_response", "status": "ok"}, {"type": "dispatch.status_response"})
    assert Outgoing.objects.exists()


def test_a_status_counts_as_arrived_when_a_later_ping_is_answered(scene: Scene) -> None:
    outbox.put("dispatch 1", {"event_type": "dispatch.status", "n": 1}, NOW)
    scene.talk.go_on(NOW)
    assert Outgoing.objects.exists()
    outbox.put("dispatch 1", {"event_type": "dispatch.status", "n": 2}, NOW)
    scene.line.pongs[0].set()
    scene.talk.go_on(NOW)
    assert Outgoing.objects.get().body["n"] == 2
    scene.line.pongs[1].set()
    scene.talk.go_on(NOW)
    assert not Outgoing.objects.exists()


def test_nonsense_ends_nothing_and_is_not_quoted(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    scene.hear("{Exampleova", b"\x00", "[]", {"type": "Exampleova x"}, {"type": "ping"})
    assert "pong" in scene.line.kinds()
    assert caplog.text.count("makes no sense") == 3 and "Exampleova" not in caplog.text

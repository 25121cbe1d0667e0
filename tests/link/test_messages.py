"""Whatever text comes, a value comes of it, and nothing of a stranger's text can reach a log."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.backend.statuses import dispatch_status
from proxy.link.messages import (
    Connected,
    Event,
    Nonsense,
    Ping,
    Response,
    Unknown,
    config_update,
    health_update,
    heard,
)


def said(message: object) -> Any:
    return heard(json.dumps(message))


def test_the_words_of_the_contract() -> None:
    assert said({"type": "connected", "workspace_id": "w1", "proxy_id": "p1"}) == Connected("w1", "p1")
    assert said({"type": "ping"}) == Ping()
    assert said({"type": "config_update_response", "status": "ok"}) == Response("config_update", True)
    assert said({"type": "config_update_response", "error": "no"}) == Response("config_update", False)
    assert said({"type": "health_update_response"}) == Response("health_update", True)


@pytest.mark.parametrize(
    "message",
    [
        {"event_type": "session.dispatch", "correlation_id": "c1", "entity_id": "s1"},
        {"type": "event", "event_type": "session.dispatch", "correlation_id": "c1", "payload": {"session_id": "s1"}},
        {"type": "event", "payload": {"event_type": "session.dispatch", "correlation_id": "c1", "id": "s1"}},
        {"event_type": "event", "correlation_id": "c1", "payload": {"type": "session.dispatch", "entity_id": "s1"}},
    ],
)  # fmt: skip
def test_an_event_may_stand_one_level_down(message: dict[str, Any]) -> None:
    event = said(message)
    assert isinstance(event, Event)
    assert (event.type, event.entity_id, event.correlation_id) == ("session.dispatch", "s1", "c1")
    assert (
        event.key == said({"event_type": "session.dispatch", "correlation_id": "c1", "entity_id": "s1"}).key
    )


def test_what_tells_a_repetition_from_a_second_event() -> None:
    first = {"event_type": "scan.dispatch", "entity_id": "s1", "correlation_id": "c1"}
    assert said(first).key == said(first).key != said(first | {"correlation_id": "c2"}).key
    assert said({"event_type": "scan.dispatch", "entity_id": "s1"}).key == ""
    at = {"event_type": "scan.dispatch", "entity_id": "s1", "timestamp": "2026-03-01T12:00:00+00:00"}
    assert said(at).key


@pytest.mark.parametrize(
    "message",
    [
        {"event_type": "proxy.status_changed", "payload": {"is_active": False}},
        {"event_type": "proxy.status_changed", "payload": {"status": "INACTIVE"}},
        {"event_type": "proxy.status_changed", "status": "inactive"},
    ],
)
def test_inactive_is_heard_in_each_form(message: dict[str, Any]) -> None:
    assert said(message).is_inactive


def test_active_is_not_inactive() -> None:
    assert not said(
        {"event_type": "proxy.status_changed", "payload": {"status": "active", "is_active": True}}
    ).is_inactive


@pytest.mark.parametrize("entity", ["../../admin", "a b", "x?y=1", "", None, {}, "x" * 65, "a/b", "ä"])
def test_what_is_no_id_goes_into_no_address(entity: object) -> None:
    assert said({"event_type": "session.dispatch", "entity_id": entity}).entity_id == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", b"{}", '{"type": ' + "[" * 100_000, "\ud800"])
def test_what_makes_no_sense(text: str | bytes) -> None:
    assert isinstance(heard(text), Nonsense)


def test_an_unknown_word_is_told_only_if_it_is_a_word() -> None:
    assert said({"type": "weather_report"}) == Unknown("weather_report")
    assert said({"type": "Exampleova^Adalberta 19510317"}) == Unknown("(no word)")
    assert said({}) == Unknown("(no word)")


@given(st.text() | st.binary())
def test_any_text_is_survived(text: str | bytes) -> None:
    heard(text)


WORDS = st.sampled_from(["session.dispatch", "connected", "event", "ping", "x", ""])
VALUE = st.none() | st.booleans() | st.integers() | WORDS
NAMES = st.sampled_from(["type", "event_type", "event", "payload", "entity_id", "id", "status", "action"])


@given(st.dictionaries(NAMES, VALUE | st.dictionaries(NAMES, VALUE)))
def test_any_object_is_survived(message: dict[str, Any]) -> None:
    said(message)


def test_what_we_say_has_the_shape_of_the_contract() -> None:
    assert config_update("10.0.0.1", 11112, "POSTERN", 8080, "1.0.0") == {
        "type": "config_update", "ip_address": "10.0.0.1", "port": 11112, "ae_title": "POSTERN",
        "api_url": "http://10.0.0.1:8080", "proxy_version": "1.0.0",
    }  # fmt: skip
    assert config_update("fd00::1", 1, "A", 80, "1")["api_url"] == "http://[fd00::1]:80"
    assert health_update(True, "1.0.0", {"n2": False, "n1": True}) == {
        "type": "health_update", "proxy_status": "online", "proxy_version": "1.0.0",
        "nodes": [{"node_id": "n1", "is_reachable": True}, {"node_id": "n2", "is_reachable": False}],
    }  # fmt: skip
    at = datetime(2026, 3, 1, tzinfo=UTC)
    status = dispatch_status("w1", at, "c1", ("session", "s1"), {"status": "failed"})
    assert (status["entity_type"], status["timestamp"]) == ("session", "2026-03-01T00:00:00+00:00")

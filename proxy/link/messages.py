"""What is said over the WebSocket, as values. Text of a stranger comes in; nothing of it is logged but known words.

An event's name stands in `event_type`, sometimes one level down in `payload`, and so may all that belongs to it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from proxy.backend.values import ID

LARGEST: Final = 1 << 20  # bytes of a message
INACTIVE_WORDS: Final = {"inactive", "disabled", "suspended", "offline"}


@dataclass(frozen=True, slots=True)
class Connected:
    workspace_id: str
    proxy_id: str


@dataclass(frozen=True, slots=True)
class Ping:
    pass


@dataclass(frozen=True, slots=True)
class Response:
    """The answer to a message of ours, by that message's type."""

    to: str
    is_ok: bool


@dataclass(frozen=True, slots=True)
class Event:
    """What happened there. `key` tells a repetition from a second event; empty if nothing tells."""

    type: str
    key: str = ""
    correlation_id: str = ""
    entity_id: str = ""
    subject_id: str = ""
    session_id: str = ""
    action: str = ""
    is_inactive: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """Well-formed, and of a kind that we do not know."""

    kind: str


@dataclass(frozen=True, slots=True)
class Nonsense:
    why: str


Message = Connected | Ping | Response | Event | Unknown | Nonsense

CONFIG_CHANGED: Final = "proxy.config_changed"
NODES_CHANGED: Final = "proxy.nodes_changed"
STATUS_CHANGED: Final = "proxy.status_changed"
DISPATCHES: Final = ("session.dispatch", "scan.dispatch", "subject.dispatch")
NEW_SCAN: Final = "scan.new_scan_available"
DELETIONS: Final = ("session.deleted", "scan.deleted", "subject.deleted")
EVENTS: Final = {CONFIG_CHANGED, NODES_CHANGED, STATUS_CHANGED, NEW_SCAN, *DISPATCHES, *DELETIONS}
OURS: Final = ("config_update", "health_update", "dispatch.status")
RESPONSES: Final = {f"{one}_response": one for one in OURS}
CONNECTED: Final = "connected"
PING: Final = "ping"
KNOWN: Final = {*EVENTS, *RESPONSES, CONNECTED, PING}


def heard(text: str | bytes) -> Message:
    """Anything may have been sent; this never raises."""
    if isinstance(text, bytes):
        return Nonsense("it is binary")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Nonsense("it is no JSON")
    if not isinstance(said, dict):
        return Nonsense("it is no object")
    return _sorted(said)


def _sorted(said: Mapping[str, Any]) -> Message:
    payload = said.get("payload")
    inner: Mapping[str, Any] = payload if isinstance(payload, dict) else {}
    words = [_word(one, name) for name in ("event_type", "type", "event") for one in (said, inner)]
    kind = next((word for word in words if word in KNOWN), next((word for word in words if word), ""))
    if kind in EVENTS:
        return _event(kind, said, inner)
    whole = {**said, **inner}
    if kind == CONNECTED:
        return Connected(_id(whole, "workspace_id"), _id(whole, "proxy_id"))
    if kind in RESPONSES:
        is_ok = not whole.get("error") and _word(whole, "status") not in {"error", "failed"}
        return Response(RESPONSES[kind], is_ok)
    return Ping() if kind == PING else Unknown(_printable(kind))


def _event(kind: str, said: Mapping[str, Any], inner: Mapping[str, Any]) -> Event:
    whole = {**said, **inner}
    entity = kind.partition(".")[0]
    entity_id = _id(whole, "entity_id", f"{entity}_id") or _id(inner, "id")
    return Event(
        kind,
        _key(kind, entity_id, said, inner),
        _id(whole, "correlation_id"),
        entity_id,
        _id(whole, "subject_id"),
        _id(whole, "session_id"),
        _printable(_word(whole, "action")),
        _is_inactive(whole),
    )


def _key(kind: str, entity_id: str, said: Mapping[str, Any], inner: Mapping[str, Any]) -> str:
    whole = {**said, **inner}
    own = (
        _id(whole, "event_id", "message_id", "correlation_id") or _id(said, "id") or _word(whole, "timestamp")
    )
    digest = hashlib.sha256(json.dumps([kind, entity_id, own]).encode()).hexdigest()
    return digest[:32] if own else ""


def _is_inactive(said: Mapping[str, Any]) -> bool:
    word = _word(said, "status", "new_status", "proxy_status").lower()
    return said.get("is_active") is False or word in INACTIVE_WORDS


def _id(said: Mapping[str, Any], *names: str) -> str:
    """The first of these that is an id: they go into addresses and keys."""
    values = (str(said[name]) for name in names if isinstance(said.get(name), str | int))
    return next((value for value in values if ID.fullmatch(value)), "")


def _word(said: Mapping[str, Any], *names: str) -> str:
    return next((value for name in names if isinstance(value := said.get(name), str) and value), "")


def _printable(word: str) -> str:
    """A kind that may stand in a log line: a word as the contract's are, or that it is none."""
    return word if re.fullmatch(r"[a-z][a-z_.]{0,39}", word) else "(no word)"


# --- from us --------------------------------------------------------------------------------------


def config_update(address: str, port: int, ae_title: str, api_port: int, version: str) -> dict[str, Any]:
    host = f"[{address}]" if ":" in address else address
    return {
        "type": "config_update",
        "ip_address": address,
        "port": port,
        "ae_title": ae_title,
        "api_url": f"http://{host}:{api_port}",
        "proxy_version": version,
    }


def health_update(is_online: bool, version: str, nodes: Mapping[str, bool]) -> dict[str, Any]:
    """`nodes`: by the backend's id, whether a C-ECHO reaches it."""
    return {
        "type": "health_update",
        "proxy_status": "online" if is_online else "offline",
        "proxy_version": version,
        "nodes": [{"node_id": one, "is_reachable": reached} for one, reached in sorted(nodes.items())],
    }

"""The one client of the backend: whose token this is, and what each answer means; a stranger answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from proxy.backend.models import Standing
from proxy.deliveries.addresses import Trust
from proxy.deliveries.agents.web import platform
from proxy.deliveries.agents.web.line import LARGEST_ANSWER, Line, Patience
from proxy.deliveries.agents.web.platform import Kind, Said, Trouble
from tests.backend.faults import GOSSIP, Drops, Fault, Halves, Says, Trickles
from tests.backend.serving import Reply, Server, serving
from tests.cluster import free_port

QUICK = Patience(connect=5.0, sending=2.0, silence=2.0, answer=2.0)
ADA = {"user": {"id": 17}}
IDS = ("ws-7", "p 1/..")
KEY, TOKEN = "key-of-the-proxy", "token-of-a-user"


def ask(url: str) -> Said | Trouble | None:
    with Line(Trust(), lambda: True, platform.AGENT, QUICK) as line:
        return platform.user(line, url, KEY, IDS, TOKEN)


@contextmanager
def answering(status: int, body: bytes, *faults: Fault) -> Iterator[Server]:
    with serving(lambda request: Reply(status, body, headers={"Location": "http://127.0.0.1:1/"})) as server:
        server.fail(*faults)
        yield server


def test_the_token_goes_into_a_header_and_never_into_an_address() -> None:
    with answering(200, json.dumps(ADA).encode()) as server:
        assert ask(server.url) == Said(ADA)
        (heard,) = server.heard
    assert heard.headers["Authorization"] == f"Bearer {TOKEN}"
    assert heard.headers["X-Proxy-Key"] == KEY
    assert heard.path == "/api/v1/workspaces/ws-7/proxies/p%201%2F..?include_user_info=true"


@pytest.mark.parametrize(("status", "body"), [(401, b"{}"), (403, b"{}"), (404, b"{}")])
def test_whom_the_backend_does_not_know_here_is_nobody(status: int, body: bytes) -> None:
    with answering(status, body) as server:
        assert ask(server.url) is None


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"", Kind.NONSENSE),
        (200, b"<html>", Kind.NONSENSE),
        (200, b"[]", Kind.NONSENSE),
        (200, b"[" * 200_000, Kind.NONSENSE),
        (200, GOSSIP, Kind.NONSENSE),
        (200, b"{" + b" " * LARGEST_ANSWER + b"}", Kind.NONSENSE),
        (204, b"", Kind.AWAY),
        (302, b"", Kind.NONSENSE),
        (403, b"<html>a firewall</html>", Kind.AWAY),
        (429, GOSSIP, Kind.AWAY),
        (500, GOSSIP, Kind.AWAY),
    ],
)
def test_what_is_no_answer_is_trouble_and_quotes_nobody(status: int, body: bytes, kind: Kind) -> None:
    with answering(status, body) as server:
        found = ask(server.url)
        assert len(server.heard) == 1
    assert isinstance(found, Trouble) and found.kind is kind
    assert GOSSIP.decode() not in found.reason and "destination" not in found.reason.lower()


@pytest.mark.parametrize("fault", [Halves(), Drops(0), Trickles(0.2)])
def test_half_an_answer_is_none(fault: Fault) -> None:
    with answering(200, json.dumps(ADA | {"filling": "x" * 1000}).encode(), fault) as server:
        found = ask(server.url)
    assert isinstance(found, Trouble) and found.kind is Kind.AWAY


def test_when_to_ask_again_is_kept() -> None:
    with answering(200, b"", Says(503, {"Retry-After": "7"})) as server:
        found = ask(server.url)
    assert isinstance(found, Trouble) and found.after is not None and found.after.total_seconds() == 7


def test_a_backend_that_is_not_there_is_away() -> None:
    found = ask(f"http://127.0.0.1:{free_port()}")
    assert isinstance(found, Trouble) and found.kind is Kind.AWAY and found.rests


def test_the_standing_with_the_backend_knows_each_kind() -> None:
    assert {kind.value for kind in Kind} <= {state for state, _ in Standing.STATES}

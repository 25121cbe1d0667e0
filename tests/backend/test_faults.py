"""Each fault of the reference backend, each way on which we ask it: said without gossip, mended by the next try."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.backend.models import Deletion, Dispatch
from proxy.deliveries.agents import backend as agent
from proxy.deliveries.outcomes import Delivered, Refused
from proxy.link import rest
from proxy.link.downloading import Bounds, Failed, Later, Wanted, download
from proxy.link.running import Link
from tests.backend.faults import GOSSIP, Drops, Fault, Halves, Says, Slow, Trickles
from tests.backend.platform import Platform, until
from tests.backend.said import configuration
from tests.backend.uploads import TOKEN, WORKSPACE, a_backend
from tests.deliveries.agents.parcels import SERIES, Ear
from tests.deliveries.agents.test_backend import CALM, parcel_to
from tests.link.conftest import platform
from tests.reception.conftest import data

__all__ = ["data", "platform"]
FAULTS: dict[str, Fault] = {
    "slow": Slow(1.0),
    "500": Says(500),
    "503 at once": Says(503, early=True),
    "413": Says(413),
    "429 with Retry-After": Says(429, {"Retry-After": "7"}),
    "cut after 50 bytes": Drops(50),
    "half an answer": Halves(),
    "one byte at a time": Trickles(0.001),
    "wrong JSON": Says(200, body=b'{"id": "' + GOSSIP),
}
HARMLESS = {"slow", "one byte at a time"}
Way = Callable[[Platform, Path], str]


def asked(one: Platform, folder: Path) -> str:
    said = rest.configuration(one.url, TOKEN)
    return said.reason if isinstance(said, rest.Trouble) else ""


def uploaded(one: Platform, folder: Path) -> str:
    ear = Ear()
    outcome = agent.deliver(parcel_to(one.url, folder), ear.acknowledge, ear.keep_going, CALM)
    assert bool(ear.heard) is isinstance(outcome, Delivered)
    return "" if isinstance(outcome, Delivered) else outcome.reason


def fetched(one: Platform, folder: Path) -> str:
    wanted = Wanted(WORKSPACE, "scan", SERIES)
    outcome = download(one.url, TOKEN, wanted, folder / "archive", Bounds(1 << 30, 0))
    return outcome.reason if isinstance(outcome, Later | Failed) else ""


@pytest.mark.django_db  # whom we believe when we ask, the site says
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", [asked, uploaded, fetched])
def test_a_fault_is_said_and_the_next_try_mends_it(
    tmp_path: Path, settings: LazySettings, way: Way, fault: str
) -> None:
    with a_backend(tmp_path / "there") as (server, one):
        settings.ITH_URL, settings.ITH_TOKEN = one.url, TOKEN
        if way is fetched:
            assert not uploaded(one, tmp_path)  # there is something to be fetched
        server.fail(FAULTS[fault])
        reason = way(one, tmp_path)
        assert not server.faults and GOSSIP.decode() not in reason
        harmless = HARMLESS | (
            {"wrong JSON"} if way is fetched else set()
        )  # an archive is looked at when it is whole
        assert (reason == "") is (fault in harmless)
        assert way(one, tmp_path) == ""
        assert len(one.archives) == (0 if way is asked else 1)


def test_only_413_needs_a_person(tmp_path: Path) -> None:
    for name, fault in FAULTS.items():
        with a_backend(tmp_path / "there") as (server, _):
            server.fail(fault)
            ear = Ear()
            outcome = agent.deliver(parcel_to(server.url, tmp_path), ear.acknowledge, ear.keep_going, CALM)
        assert isinstance(outcome, Refused) is (name == "413")


# --- over the WebSocket ---------------------------------------------------------------------------


@pytest.fixture
def link(platform: Platform, data: Path, settings: LazySettings) -> Iterator[Link]:
    """The link on a thread; it waits no longer than a moment for anything."""
    over = threading.Event()
    one = Link(lambda seconds: over.wait(min(seconds, 0.05)))
    platform.configuration = configuration()
    thread = threading.Thread(target=one.run)
    thread.start()
    until(lambda: platform.lines)
    yield one
    over.set()
    thread.join(20)
    assert not thread.is_alive()


def event(kind: str, entity: str, number: int) -> dict[str, object]:
    return {"event_type": kind, "correlation_id": f"c{number}", "payload": {"entity_id": entity}}


@pytest.mark.django_db(transaction=True)
def test_cut_lines_nonsense_and_events_twice_and_in_any_order_are_survived(
    platform: Platform, link: Link
) -> None:
    first, second = event("session.dispatch", "s1", 1), event("scan.dispatch", "x1", 2)
    platform.say(first, first, '{"event_type": "session.dis', b"\xff\x00", "[]", "null", first)
    until(lambda: Dispatch.objects.filter(entity="s1").exists())
    for half in (True, False):
        seen = len(platform.keys)
        platform.cut(half_a_frame=half)
        until(lambda: len(platform.keys) > seen and platform.lines)  # noqa: B023
        platform.say(event("scan.deleted", "x1", 3), second, first, event("scan.deleted", "x1", 3))
    until(lambda: Deletion.objects.exists() and Dispatch.objects.filter(entity="x1").exists())
    until(lambda: set(Dispatch.objects.values_list("state", flat=True)) == {"failed"})
    assert sorted(Dispatch.objects.values_list("entity", flat=True)) == ["s1", "x1"]
    assert Deletion.objects.count() == 1
    until(lambda: {one["entity_id"] for one in platform.of_kind("dispatch.status")} == {"s1", "x1"})

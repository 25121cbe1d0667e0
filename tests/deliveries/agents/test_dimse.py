"""The wire, with real sockets: DCMTK's storescp, and a peer that answers what a test wants."""

from pathlib import Path

import pytest
from pydicom import dcmread

from proxy.deliveries.agents import dimse
from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Outcome, Refused, TryLater
from proxy.deliveries.parcel import Item, Parcel
from tests import cast
from tests.cluster import free_port
from tests.deliveries.agents.parcels import EXPLICIT, Ear, parcel_of
from tests.deliveries.agents.peers import a_wire, answering, storescp

PLAN = cast.StudyPlan()


def items_in(folder: Path, count: int = 4) -> tuple[Item, ...]:
    folder.mkdir(exist_ok=True)
    datasets = [cast.ct(PLAN, n + 1) if n % 2 else cast.mr(PLAN, n + 1) for n in range(count)]
    return tuple(
        Item(n, ds.SOPClassUID, ds.SOPInstanceUID, EXPLICIT, cast.save(ds, folder), ds.SeriesInstanceUID)
        for n, ds in enumerate(datasets)
    )


@pytest.fixture
def items(tmp_path: Path) -> tuple[Item, ...]:
    return items_in(tmp_path / "store")


def deliver(parcel: Parcel, ear: Ear | None = None) -> tuple[Outcome, list[int]]:
    ear = ear or Ear()
    return dimse.deliver(parcel, ear.acknowledge, ear.keep_going), ear.heard


@pytest.mark.peers
def test_a_study_arrives_at_a_real_archive(tmp_path: Path, items: tuple[Item, ...]) -> None:
    with storescp(tmp_path / "archive") as port:
        assert deliver(parcel_of(items, a_wire(port))) == (Delivered(), [0, 1, 2, 3])
    arrived = {dcmread(path).SOPInstanceUID: dcmread(path) for path in (tmp_path / "archive").iterdir()}
    assert set(arrived) == {item.uid for item in items}
    for item in items:
        assert arrived[item.uid] == dcmread(item.path)


@pytest.mark.peers
def test_an_archive_that_aborts_in_the_middle_is_tried_later(tmp_path: Path, items: tuple[Item, ...]) -> None:
    with storescp(tmp_path / "archive", "--abort-after") as port:
        outcome, heard = deliver(parcel_of(items, a_wire(port)))
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert len(heard) < len(items)


@pytest.mark.peers
def test_an_archive_that_refuses_the_association_is_tried_later(
    tmp_path: Path, items: tuple[Item, ...]
) -> None:
    with storescp(tmp_path / "archive", "--refuse") as port:
        outcome, heard = deliver(parcel_of(items, a_wire(port)))
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert heard == []


def test_nobody_at_that_address_is_tried_later(items: tuple[Item, ...]) -> None:
    outcome, heard = deliver(parcel_of(items, a_wire(free_port())))
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert "4 of 4" in outcome.reason
    assert heard == []


def test_what_a_peer_refuses_for_good_is_refused_and_the_rest_is_stored(items: tuple[Item, ...]) -> None:
    with answering(lambda uid: 0xC000 if uid == items[1].uid else 0) as (port, _):
        outcome, heard = deliver(parcel_of(items, a_wire(port)))
    assert isinstance(outcome, Refused)
    assert "1 of 4 images refused" in outcome.reason
    assert heard == [0, 2, 3]


def test_a_peer_without_room_is_tried_later(items: tuple[Item, ...]) -> None:
    with answering(lambda _: 0xA700) as (port, _):
        outcome, heard = deliver(parcel_of(items, a_wire(port)))
    assert isinstance(outcome, TryLater)
    assert "0xA700" in outcome.reason
    assert heard == []


def test_a_warning_is_stored(items: tuple[Item, ...]) -> None:
    with answering(lambda _: 0xB000) as (port, _):
        assert deliver(parcel_of(items, a_wire(port))) == (Delivered(), [0, 1, 2, 3])


def test_a_duplicate_is_stored_if_an_earlier_attempt_may_have_brought_it(items: tuple[Item, ...]) -> None:
    with answering(lambda _: 0x0111) as (port, _):
        outcome, heard = deliver(parcel_of(items, a_wire(port)))
        assert (type(outcome), heard) == (Refused, [])
        assert deliver(parcel_of(items, a_wire(port), again=True)) == (Delivered(), [0, 1, 2, 3])


def test_a_stop_ends_between_two_images(items: tuple[Item, ...]) -> None:
    with answering(lambda _: 0) as (port, heard):
        outcome, acknowledged = deliver(parcel_of(items, a_wire(port)), Ear(turns=2))
    assert outcome == INTERRUPTED
    assert len(acknowledged) == len(heard) == 2


def test_a_missing_file_is_refused_and_the_rest_is_sent__promise_3(items: tuple[Item, ...]) -> None:
    items[0].path.unlink()
    with answering(lambda _: 0) as (port, _):
        outcome, heard = deliver(parcel_of(items, a_wire(port)))
    assert isinstance(outcome, Refused)
    assert dimse.GONE in outcome.reason
    assert heard == [1, 2, 3]


def test_a_parcel_whose_files_are_all_gone_calls_nobody(items: tuple[Item, ...]) -> None:
    for item in items:
        item.path.unlink()
    outcome, _ = deliver(parcel_of(items, a_wire(free_port())))
    assert isinstance(outcome, Refused)

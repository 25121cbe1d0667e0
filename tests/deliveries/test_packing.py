import dataclasses
from pathlib import Path

import pytest

from proxy.deliveries import packing, queue
from proxy.deliveries.outcomes import TryLater
from proxy.deliveries.parcel import Parcel, Shelf, Wire
from proxy.routing.models import Destination, Project
from proxy.storage.templates import parse
from proxy.studies.models import Series
from tests.deliveries.builders import NOW, a_folder, a_peer, a_waiting_delivery

pytestmark = pytest.mark.django_db


def packed(to: Destination, images: int = 4, acknowledged: tuple[int, ...] = ()) -> Parcel:
    a_waiting_delivery(images=images, to=to)
    claim = queue.claim(NOW, "t")
    assert claim is not None
    queue.progress(claim, acknowledged)
    parcel = packing.pack(claim)
    assert isinstance(parcel, Parcel)
    return parcel


def test_a_parcel_holds_what_is_not_acknowledged_yet() -> None:
    parcel = packed(a_folder(), acknowledged=(0, 2))
    assert [item.ordinal for item in parcel.items] == [1, 3]
    assert parcel.total == 4


def test_a_zip_is_packed_whole() -> None:
    parcel = packed(a_folder(as_zip=True), acknowledged=(0, 2))
    assert [item.ordinal for item in parcel.items] == [0, 1, 2, 3]


def test_paths_are_absolute_and_below_the_store(data: Path) -> None:
    for item in packed(a_folder()).items:
        assert item.path.is_absolute()
        assert item.path.is_relative_to(data / "studies")


@pytest.mark.parametrize(
    ("path", "make"), [("outbox", True), ("a/b", True), ("../elsewhere", False), ("/mnt/share", False)]
)
def test_only_a_folder_below_our_own_may_be_made(data: Path, path: str, make: bool) -> None:
    assert packed(a_folder(path=path)).to == Shelf(data / path, make=make, as_zip=False)


def test_a_folder_s_template_and_what_it_may_name_are_packed() -> None:
    folder = a_folder()
    Destination.objects.filter(pk=folder.pk).update(template="{project}/{patient_id}/{instance_uid}")
    folder.refresh_from_db()
    a_waiting_delivery(images=2, to=folder)
    Project.objects.update(name="heart")
    Series.objects.update(number="7", modality="MR")
    claim = queue.claim(NOW, "t")
    assert claim is not None
    parcel = packing.pack(claim)
    assert isinstance(parcel, Parcel) and isinstance(parcel.to, Shelf) and parcel.project == "heart"
    assert parcel.to.names == parse("{project}/{patient_id}/{instance_uid}")
    assert {(item.series_number, item.modality) for item in parcel.items} == {("7", "MR")}


def test_a_peer_is_addressed_by_its_node() -> None:
    wire = packed(a_peer("ARCHIVE", 4242)).to
    assert isinstance(wire, Wire)
    peer = wire.peer
    assert (peer.ae_title, peer.host, peer.port) == ("ARCHIVE", "127.0.0.1", 4242)
    assert (peer.calling_ae, peer.tls, wire.associations) == ("DICOMRCV", None, 1)


def test_a_parcel_is_made_of_plain_values_only() -> None:
    plain = (int, str, bool, float, Path, frozenset, type(None))

    def values(thing: object) -> list[object]:
        if isinstance(thing, tuple):
            return [value for one in thing for value in values(one)]
        if dataclasses.is_dataclass(thing):
            return [
                value for field in dataclasses.fields(thing) for value in values(getattr(thing, field.name))
            ]
        return [thing]

    assert all(isinstance(value, plain) for value in values(packed(a_peer())))


def test_a_store_that_is_away_is_said_before_any_file_is_missed(data: Path) -> None:
    a_waiting_delivery()
    (data / "studies").rmdir()
    claim = queue.claim(NOW, "t")
    assert claim is not None
    outcome = packing.pack(claim)
    assert isinstance(outcome, TryLater)
    assert not outcome.rests

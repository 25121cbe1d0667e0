"""Deliveries to the backend with the queue: the id is kept, the archive goes when it may, a late image goes alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.deliveries import archives, attempt, decisions, queue
from proxy.deliveries.agents import beside
from proxy.deliveries.agents.archive import path_in
from proxy.deliveries.models import Attempt, Delivery
from proxy.routing.models import Destination
from proxy.studies.models import Revision
from tests.backend.faults import Says
from tests.backend.serving import Server
from tests.backend.uploads import TOKEN, Backend, a_backend
from tests.deliveries.builders import NOW, a_revision, files_of, opened

pytestmark = pytest.mark.django_db


@pytest.fixture
def place(settings: LazySettings, data: Path) -> Path:
    settings.ARCHIVE_DIR = data / "archives"
    settings.UPLOAD_MAX_RETRIES, settings.DISK_WATERMARK = 0, 0
    return data / "archives"


@pytest.fixture
def backend(settings: LazySettings, place: Path, tmp_path: Path) -> Iterator[tuple[Server, Backend]]:
    with a_backend(tmp_path / "there") as (server, there):
        settings.ITH_URL, settings.ITH_TOKEN = server.url, TOKEN
        yield server, there


def a_delivery(number: int = 1, images: int = 3) -> Delivery:
    destination, _ = Destination.objects.get_or_create(name="backend", defaults={"kind": "backend"})
    revision = a_revision(images=images, number=number, destinations=(destination,))
    files_of(revision)
    return opened(revision, destination)[0]


def deliver(delivery: Delivery) -> Delivery:
    claim = queue.claim(NOW, "token")
    assert claim is not None
    attempt.make(claim)
    delivery.refresh_from_db()
    return delivery


@pytest.mark.parametrize("cleanup", [True, False])
def test_what_it_is_called_there_is_kept_and_the_archive_goes_as_the_settings_say(
    backend: tuple[Server, Backend], place: Path, settings: LazySettings, cleanup: bool
) -> None:
    settings.CLEANUP_AFTER_UPLOAD = cleanup
    delivery = deliver(a_delivery())
    assert (delivery.state, delivery.receipt, delivery.acknowledged) == ("delivered", "a-1", 3)
    assert path_in(place, delivery.pk).is_file() is not cleanup


def test_after_a_failure_the_archive_stays_and_goes_out_the_next_time(
    backend: tuple[Server, Backend], place: Path
) -> None:
    server, there = backend
    server.faulty = "/upload"
    server.fail(Says(503))
    delivery = deliver(a_delivery())
    made = path_in(place, delivery.pk).stat()
    assert (delivery.state, delivery.acknowledged) == ("waiting", 0)
    assert "503" in delivery.reason
    Delivery.objects.update(next_try_at=NOW)
    assert made == path_in(place, delivery.pk).stat()
    assert deliver(delivery).state == "delivered"
    assert [one.outcome for one in Attempt.objects.order_by("pk")] == ["later", "delivered"]
    assert len(there.archives) == 1


def test_a_late_revision_is_an_archive_of_what_is_new_alone(backend: tuple[Server, Backend]) -> None:
    _, there = backend
    deliver(a_delivery())
    late = a_delivery(number=2, images=1)
    deliver(late)
    names = sorted(there.archives)
    assert [name.rsplit("-", 1)[1] for name in names] == ["1", "2"]
    (entry,) = there.archives[names[1]].manifest()["files"]
    assert entry["sop_instance_uid"] == late.revision.instances.get().uid


def test_what_was_sent_once_more_has_the_name_it_is_given_then(backend: tuple[Server, Backend]) -> None:
    _, there = backend
    delivery = deliver(a_delivery())
    there.archives["of somebody else"] = there.archives.pop(next(iter(there.archives)))
    assert decisions.retry(delivery, "ada", NOW)
    assert deliver(delivery).receipt == "a-2"


@pytest.mark.django_db(transaction=True)
def test_a_dropped_delivery_takes_its_archive_along(backend: tuple[Server, Backend], place: Path) -> None:
    server, _ = backend
    server.faulty = "/upload"
    server.fail(Says(413))
    delivery = deliver(a_delivery())
    assert delivery.state == "refused"
    assert path_in(place, delivery.pk).is_file()
    assert decisions.drop(delivery, "ada", NOW)
    assert list(place.iterdir()) == []


# --- the sweep ------------------------------------------------------------------------------------


def laid(place: Path, name: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_bytes(b"x")
    return place / name


@pytest.mark.parametrize(
    ("state", "cleanup", "stays"),
    [
        ("waiting", True, True),
        ("claimed", True, True),
        ("refused", True, True),
        ("delivered", True, False),
        ("delivered", False, True),
        ("dropped", True, False),
        ("dropped", False, False),
    ],
)
def test_the_sweep_leaves_what_is_still_needed(
    place: Path, settings: LazySettings, state: str, cleanup: bool, stays: bool
) -> None:
    settings.CLEANUP_AFTER_UPLOAD = cleanup
    delivery = a_delivery()
    Delivery.objects.update(state=state)
    path = laid(place, f"delivery-{delivery.pk}.zip")
    assert archives.sweep() == (0 if stays else 1)
    assert path.is_file() is stays


def test_the_sweep_takes_what_expired_or_is_of_no_delivery(place: Path, settings: LazySettings) -> None:
    settings.CLEANUP_AFTER_UPLOAD = False
    delivery = a_delivery()
    Delivery.objects.update(state="delivered")
    Revision.objects.update(state="expired")
    laid(place, f"delivery-{delivery.pk}.zip")
    laid(place, "delivery-999999.zip")
    mine = laid(place, "not-ours.zip")
    odd = laid(place, "delivery-x.zip")
    assert archives.sweep() == 2
    assert sorted(place.iterdir()) == sorted([mine, odd])


def test_the_sweep_takes_halves_only_once_they_are_old(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = laid(place, ".delivery-1.zip.ab12.part")
    assert archives.sweep() == 0
    assert half.is_file()
    monkeypatch.setattr(beside, "LEFT_OVER_AFTER", -1.0)
    archives.sweep()
    assert not half.exists()


def test_without_a_folder_there_is_nothing_to_sweep(place: Path) -> None:
    assert archives.sweep() == 0
    assert not place.exists()

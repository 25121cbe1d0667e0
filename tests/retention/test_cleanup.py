"""P39: CLEANUP_AFTER_UPLOAD deletes after successful upload, and success means every destination and the retention."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.deliveries import attempt, decisions, queue
from proxy.deliveries.agents.archive import path_in
from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination
from tests.backend.faults import Says
from tests.backend.serving import Server
from tests.backend.uploads import TOKEN, a_backend
from tests.deliveries.builders import NOW, a_folder, a_revision, files_of, opened
from tests.retention.help import WEEK, look, on_disk

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def there(settings: LazySettings, data: Path, tmp_path: Path) -> Iterator[Server]:
    settings.ARCHIVE_DIR = data / "archives"
    settings.UPLOAD_MAX_RETRIES, settings.DISK_WATERMARK = 0, 0
    with a_backend(tmp_path / "there") as (server, _):
        settings.ITH_URL, settings.ITH_TOKEN = server.url, TOKEN
        yield server


def scene(data: Path) -> tuple[Delivery, Delivery]:
    """A study for the backend and for a share that is not mounted."""
    backend = Destination.objects.create(name="backend", kind="backend")
    share = a_folder("share", data / "mount" / "share")
    revision = a_revision(destinations=(backend, share))
    files_of(revision)
    opened(revision, backend, share)
    return Delivery.objects.get(destination=backend), Delivery.objects.get(destination=share)


def work(now: datetime) -> None:
    """Everything that is due."""
    while (claim := queue.claim(now, "token")) is not None:
        attempt.make(claim)


def states(*deliveries: Delivery) -> list[str]:
    return [Delivery.objects.get(pk=one.pk).state for one in deliveries]


@pytest.mark.parametrize("cleanup", [True, False])
def test_promise_3_cleanup_after_upload_waits_for_success_everywhere_and_retention(
    there: Server, data: Path, settings: LazySettings, cleanup: bool
) -> None:
    settings.CLEANUP_AFTER_UPLOAD = cleanup
    up, share = scene(data)
    archive = path_in(settings.ARCHIVE_DIR, up.pk)
    there.faulty = "/upload"
    there.fail(Says(503))
    work(NOW)
    assert states(up, share) == ["waiting", "waiting"] and archive.is_file()

    Destination.objects.update(rests_until=None, failures=0)
    Delivery.objects.update(next_try_at=NOW)
    work(NOW)
    assert states(up, share) == ["delivered", "waiting"]  # uploaded, but not everywhere
    assert archive.exists() is not cleanup  # its copy may go: it can be made again of the images
    look(NOW + 10 * WEEK)
    assert len(on_disk()) == 3

    (data / "mount").mkdir()
    Destination.objects.update(rests_until=None, failures=0)
    Delivery.objects.filter(state="waiting").update(next_try_at=NOW)
    work(NOW)
    assert states(up, share) == ["delivered", "delivered"]
    ended = max(one.finished_at for one in Delivery.objects.all() if one.finished_at)
    look(ended + WEEK - MINUTE)
    assert len(on_disk()) == 3  # everywhere, but not long enough
    look(ended + WEEK + MINUTE)
    assert len(on_disk()) == (0 if cleanup else 3)


def test_what_a_person_gave_up_is_no_success_of_an_upload(there: Server, data: Path) -> None:
    """Dropped everywhere: nobody else has it."""
    up, share = scene(data)
    for one in (up, share):
        assert decisions.drop(one, "ada", NOW)
    look(NOW + 10 * WEEK)
    assert len(on_disk()) == 3

"""While a backup is made nothing goes, and it waits for one study at most."""

import threading
from pathlib import Path

import pytest
from django.conf import settings

from proxy.management.backups import making
from proxy.management.backups.archive import Writer, unpack
from proxy.retention import images, keeper, pausing
from proxy.studies.models import Revision
from tests.deliveries.builders import NOW, place_of
from tests.retention.help import LATER, delivered, look, on_disk

pytestmark = pytest.mark.django_db(transaction=True)


class Killed(BaseException):
    pass


def test_nothing_goes_while_two_backups_are_made() -> None:
    delivered(1)
    with pausing.paused(), pausing.paused():
        assert keeper.look(LATER) is None and len(on_disk()) == 3
    assert look().revisions == 1


def test_two_rounds_do_not_meet() -> None:
    delivered(1)
    with pausing.free_to_remove() as free:
        assert free and keeper.look(LATER) is None


def test_the_lock_of_who_was_killed_is_free() -> None:
    with pytest.raises(Killed), pausing.paused():
        raise Killed
    with pausing.free_to_remove() as free:
        assert free and not pausing.backup_comes()


def test_a_backup_that_comes_waits_for_one_study_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round ends after the study it is at, whatever else is due."""
    for study in range(3):
        delivered(study)
    honest, made = images.removed, threading.Event()

    def backup() -> None:
        with pausing.paused():
            made.set()

    thread = threading.Thread(target=backup)

    def slow(*args: int) -> int:
        thread.start()
        while not pausing.backup_comes():
            pass
        assert not made.is_set()
        return honest(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(images, "removed", slow)
    assert look().revisions == 1
    thread.join(20)
    assert made.is_set() and len(on_disk()) == 6


def test_what_a_backup_says_is_in_it_although_retention_is_due(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In the middle of it `work` has its round."""
    revision = delivered(1)
    honest = making._add_database

    def database_and_a_round(writer: Writer) -> None:
        honest(writer)
        assert keeper.look(LATER) is None

    monkeypatch.setattr(making, "_add_database", database_and_a_round)
    made = making.make(tmp_path / "house.tar", NOW, "test")
    assert made.missing == 0
    unpack(made.archive, tmp_path / "out")
    for image in revision.instances.all():
        assert (tmp_path / "out" / "studies" / image.path).read_bytes() == place_of(image).read_bytes()
    assert look().revisions == 1


def test_a_backup_misses_nothing_of_what_expired(tmp_path: Path) -> None:
    delivered(1)
    look()
    assert making.make(tmp_path / "house.tar", NOW, "test").missing == 0


def test_files_that_come_back_with_a_restore_are_removed_where_their_removal_was_not_over() -> None:
    """The snapshot said `expired`, and its files were still there."""
    revision = delivered(1)
    folder = Path(settings.DICOM_STORAGE_DIR) / "studies"
    Revision.objects.filter(pk=revision.pk).update(state="expired")
    assert look().images == 3 and not any(path.is_file() for path in folder.rglob("*"))

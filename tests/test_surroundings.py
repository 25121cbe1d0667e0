"""What the suite promises its tests: about their database, their ports, libraries and the time of day."""

import socket
import time
from datetime import UTC, datetime

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from proxy.routing.models import Destination, Project, Route
from tests import emptying, midnight, ports
from tests.aside import changed
from tests.conftest import SCRATCH


def test_what_one_process_of_a_run_writes_no_other_reads() -> None:
    for folder in (settings.DATA_DIR, settings.KEY_DIR, settings.BACKUP_DIR, settings.AUDIT_ANCHORS.parent):
        assert folder.parent == SCRATCH


@pytest.mark.django_db
def test_rows_that_nobody_ordered_come_backwards() -> None:
    if connection.vendor == "sqlite":
        for name in ("a", "b", "c"):
            Project.objects.create(name=name)
        assert [one.name for one in Project.objects.order_by()] == ["c", "b", "a"]


@pytest.mark.django_db(transaction=True)
def test_what_a_test_committed_is_gone_and_what_migrations_made_is_not() -> None:
    kept = Permission.objects.count(), ContentType.objects.count()
    project = Project.objects.create(name="default")
    Route.objects.create(called_ae="A", project=project).destinations.add(
        Destination.objects.create(name="d", kind="folder", path="d")
    )
    emptying.empty()
    assert not any(
        model.objects.exists() for model in (Project, Route, Destination, Route.destinations.through)
    )
    assert kept == (Permission.objects.count(), ContentType.objects.count())
    assert all(kept)


def test_a_port_is_given_once_and_none_that_outgoing_connections_take() -> None:
    given = [ports.take() for _ in range(50)]
    assert len(set(given)) == 50 and all(ports.FIRST <= port < ports._end() for port in given)


def test_a_port_at_which_somebody_listens_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = ports.take()
        monkeypatch.setattr(ports, "_ours", iter([taken.getsockname()[1], port]))
        assert ports.take() == port


def test_processes_of_a_run_share_no_port() -> None:
    every = [port for number in range(ports.SHARES) for port in ports._share(number, 32_768)]
    assert len(every) == len(set(every)) > 20_000


def test_a_library_that_is_changed_for_one_room_is_as_it_was_for_the_others() -> None:
    ours = changed(time, monotonic=lambda: 7.0)
    assert ours.monotonic() == 7.0 != time.monotonic() and ours.sleep is time.sleep
    with pytest.raises(AttributeError):
        changed(time, monotone=lambda: 7.0)


@pytest.mark.parametrize(("at", "seconds"), [("23:59:45", 15), ("23:59:30", 0), ("00:00:00", 0)])
def test_no_test_begins_in_the_last_seconds_of_a_day(at: str, seconds: float) -> None:
    slept: list[float] = []
    moment = datetime.fromisoformat(f"2026-12-31T{at}").replace(tzinfo=UTC)
    midnight.leave_behind(moment.timestamp, slept.append)
    assert slept == [seconds]

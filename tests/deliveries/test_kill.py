"""SIGKILL at random moments: nothing that was acknowledged is forgotten, nothing is doubled (promises 2 and 12)."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from proxy.deliveries import bitmap, ledger, queue, work
from proxy.deliveries.models import Attempt, Delivery
from proxy.routing import breaker
from proxy.routing.models import Destination
from proxy.studies.models import Revision
from tests.deliveries.builders import a_folder, a_revision, files_of, opened, place_of

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 6
WORKER = """
import time
import django
django.setup()
from proxy.deliveries import attempt
from proxy.deliveries.agents import beside, folder
from proxy.deliveries.work import Workers
attempt.BATCH = folder.BATCH = 2
honest = beside.write
beside.write = lambda *args: (time.sleep(0.004), honest(*args))[1]
crew = Workers(2, idle=0.02)
crew.start()
print("working", flush=True)
time.sleep(60)
"""


def a_worker() -> "subprocess.Popen[str]":
    """A process on the database and the folders of this test."""
    own = {"DATA_DIR": str(settings.DATA_DIR), "KEY_DIR": str(settings.KEY_DIR), "DELIVERY_PAUSE": "1"}
    name = str(connection.settings_dict["NAME"])
    own["POSTGRES_DB" if connection.vendor == "postgresql" else "DATABASE_PATH"] = name
    command = [sys.executable, "-c", WORKER]
    return subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE, text=True)


def killed_after(wait: float) -> None:
    worker = a_worker()
    assert worker.stdout is not None
    with worker.stdout as lines:
        assert lines.readline() == "working\n"
        deadline = time.monotonic() + 30
        while not _is_at_work() and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(wait)
        worker.send_signal(signal.SIGKILL)
        worker.wait(60)


def _is_at_work() -> bool:
    """Or it has done everything."""
    left = Delivery.objects.exclude(state="delivered")
    return left.filter(state="claimed").exists() or not left.exists()


def arrived(destination: Destination) -> set[str]:
    return {path.stem for path in (Path(settings.DATA_DIR) / destination.path).rglob("*.dcm")}


def test_kills_at_random_moments_lose_and_double_nothing__promise_12() -> None:
    folders = [a_folder("one"), a_folder("two")]
    for study in range(3):
        revision = a_revision(study, 25, destinations=tuple(folders))
        files_of(revision)
        opened(revision, *folders, now=timezone.now())
    for _ in range(ROUNDS):
        killed_after(random.uniform(0.0, 0.1))
        _nothing_counts_that_is_not_there(folders)
        assert all(line.difference == 0 for line in ledger.balance())
        queue.rescue(timezone.now() + breaker.pace().lease)
        Delivery.objects.filter(state="waiting").update(next_try_at=timezone.now())
    while work.deliver_one(timezone.now()):
        pass
    assert set(Delivery.objects.values_list("state", flat=True)) == {"delivered"}
    assert set(Revision.objects.values_list("state", flat=True)) == {"delivered"}
    assert [(line.received, line.delivered, line.difference) for line in ledger.balance()] == [
        (75, 75, 0)
    ] * 2
    assert list(ledger.recount()) == []
    _each_file_is_whole_and_there_once(folders)
    assert Attempt.objects.filter(outcome="lost").exists()


def _nothing_counts_that_is_not_there(folders: list[Destination]) -> None:
    for delivery in Delivery.objects.filter(destination__in=folders).select_related("destination"):
        there = arrived(delivery.destination)
        for instance in delivery.revision.instances.all():
            if bitmap.has(bytes(delivery.acks), instance.ordinal):
                assert instance.uid in there


def _each_file_is_whole_and_there_once(folders: list[Destination]) -> None:
    for destination in folders:
        root = Path(settings.DATA_DIR) / destination.path
        found = {path.stem: path for path in root.rglob("*.dcm")}
        assert len(found) == len(list(root.rglob("*.dcm"))) == 75
        for revision in Revision.objects.all():
            for instance in revision.instances.all():
                assert found[instance.uid].read_bytes() == place_of(instance).read_bytes()

"""SIGKILL while files are removed: no row promises a file that is gone, no file is left without a remover (promise 2).

And ten thousand images go in the memory that one thousand take."""

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.deliveries import ledger
from proxy.retention import images
from proxy.studies.models import Instance
from tests.deliveries.builders import place_of
from tests.retention.help import delivered, look, on_disk

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
WORKER = """
import time
import django
django.setup()
from django.utils import timezone
from proxy.retention import images, keeper
from proxy.storage import files
images.FILES = 2
honest = files._unlinked
files._unlinked = lambda path: (time.sleep(0.003), honest(path))[1]
print("working", flush=True)
keeper.look(timezone.now())
print("done", flush=True)
"""


MEASURED = """
import sys, tracemalloc
import django
django.setup()
from django.utils import timezone
from proxy.retention import images
images.unfinished().exists()  # what is loaded once is nobody's
for number in map(int, sys.argv[1:]):
    tracemalloc.start()
    images.removed(number, timezone.now())
    print(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
"""


def beside(script: str, *words: str) -> "subprocess.Popen[str]":
    """A process on the database and the folders of this test."""
    own = {"DATA_DIR": str(settings.DATA_DIR), "KEY_DIR": str(settings.KEY_DIR)}
    name = str(connection.settings_dict["NAME"])
    own["POSTGRES_DB" if connection.vendor == "postgresql" else "DATABASE_PATH"] = name
    command = [sys.executable, "-c", script, *words]
    return subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE, text=True)


def killed_after(wait: float) -> None:
    worker = beside(WORKER)
    assert worker.stdout is not None
    with worker.stdout as lines:
        assert lines.readline() == "working\n"
        time.sleep(wait)
        worker.send_signal(signal.SIGKILL)
        worker.wait(100)


def nothing_is_half() -> None:
    """A file is missing only where the row has expired; one that is there is named by a row that will be swept."""
    there = set(on_disk())
    for image in Instance.objects.select_related("revision"):
        if image.revision.state != "expired":
            assert image.path in there
        elif image.path in there:
            assert image.revision.files_gone_at is None
    assert there <= set(Instance.objects.values_list("path", flat=True))
    assert all(line.difference == 0 for line in ledger.balance())


def test_promise_2_kills_at_random_moments_leave_nothing_half() -> None:
    old = timezone.now() - timedelta(days=8)
    for study in range(12):
        delivered(study, 9, at=old)
    keep = delivered(99, 4, at=timezone.now())
    for _ in range(ROUNDS):
        killed_after(random.uniform(0.0, 0.12))
        nothing_is_half()
    look(timezone.now())
    nothing_is_half()
    assert sorted(on_disk()) == sorted(keep.instances.values_list("path", flat=True))
    assert not images.unfinished().exists()
    assert Entry.objects.filter(action="study.expired").count() == 12 and verify().ok


def test_ten_thousand_images_go_in_the_memory_of_one_thousand() -> None:
    few, many = delivered(1, 1_000), delivered(2, 10_000)
    with beside(MEASURED, str(few.pk), str(many.pk)) as process:
        peaks = [int(line) for line in process.communicate(timeout=120)[0].split()]
    assert peaks[1] < peaks[0] + 2_000_000
    assert not Instance.objects.filter(revision=many, expired=0).exists()
    assert not place_of(many.instances.all()[0]).exists() and on_disk() == []

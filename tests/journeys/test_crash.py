"""Promises 2, 4 and 12: kill what you like, whenever you like; nothing acknowledged is lost, nothing is doubled."""

import os
import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.warm import Process

KILLS = 16
STUDIES, IMAGES = 4, 6
CALM = {"DICOM_STUDY_TIMEOUT": "1", "DELIVERY_LEASE": "5", "DELIVERY_PAUSE": "1", "DELIVERY_PAUSE_MAX": "2"}


def _images(folder: Path) -> list[Path]:
    folder.mkdir()
    plans = [cast.StudyPlan(patient=(cast.ADA, cast.BEN)[n % 2], number=n + 1) for n in range(STUDIES)]
    return [cast.save(cast.ct(plan, instance=i + 1), folder) for i in range(IMAGES) for plan in plans]


def _send_all(house: House, images: list[Path], done: threading.Event) -> None:
    for image in images:
        journey.send_until_safe(house, image, seconds=200)
        time.sleep(0.4)
    done.set()


@pytest.mark.journey
@pytest.mark.peers
@pytest.mark.timeout(600)
def test_promise_2_and_12_killing_listen_and_work_at_random_moments_ends_in_the_same_result(
    house: House, tmp_path: Path
) -> None:
    house.env.update(CALM)
    archive = journey.Scp(tmp_path / "archive")
    try:
        journey.site(house, archive.port)
        _storm(house, _images(tmp_path / "scanner"))
        journey.wait_until(lambda: journey.all_delivered(house, STUDIES * 2), "everything delivered")
        _judge(house, archive)
    finally:
        archive.close()


def _storm(house: House, images: list[Path]) -> None:
    """Kill and start again while a modality sends; at least KILLS times, and until it has sent everything."""
    house.env["DICOM_WORKERS"] = "2"
    dice = random.Random(4711)
    processes = {name: house.start(name) for name in ("listen", "work")}
    sent, kills = threading.Event(), 0
    sender = threading.Thread(target=_send_all, args=(house, images, sent), daemon=True)
    sender.start()
    while kills < KILLS or not sent.is_set():
        time.sleep(dice.uniform(0.1, 2.5))
        name = dice.choice(list(processes))
        if kills < KILLS:
            _kill(house, processes[name], name)
            processes[name] = house.start(name)
            kills += 1
    sender.join(timeout=150)
    assert sent.is_set()


def _kill(house: House, process: Process, name: str) -> None:
    """As a power cut does: the process and all that serve for it."""
    for pid in {process.pid, *serve.processes(house, name)}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _judge(house: House, archive: journey.Scp) -> None:
    expected = STUDIES * IMAGES
    assert journey.count(house, "SELECT count(*) FROM studies_instance") == expected
    assert journey.count(house, "SELECT count(*) FROM vault_seal") == expected
    outbox = journey.uids(journey.dicom_files(house.data / "outbox"))
    assert len(outbox) == len(set(outbox)) == expected
    assert set(journey.uids(journey.dicom_files(archive.folder))) == set(outbox)
    for line in journey.ledger(house):
        assert line["difference"] == 0
        assert line["received"] == line["delivered"] == expected
    assert journey.leaks(house, cast.NEEDLES) == set()
    assert house.command("verify_audit").returncode == 0

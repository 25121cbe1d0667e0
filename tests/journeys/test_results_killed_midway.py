"""Promises 2, 4 and 12 for results: whatever is killed, and when, each result comes home, and is there once."""

import os
import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom import dcmread

from tests import cast, results
from tests.house import House
from tests.journeys import help as journey
from tests.journeys.test_results_come_home import configured, written
from tests.management import test_serve as serve
from tests.peers.orthanc import Orthanc
from tests.warm import Process

KILLS, RESULTS = 8, 8
CALM = {"DICOM_STUDY_TIMEOUT": "1", "DELIVERY_LEASE": "5", "DELIVERY_PAUSE": "1", "DELIVERY_PAUSE_MAX": "2"}


def kill(house: House, process: Process, name: str) -> None:
    """As a power cut does: the process and all that serve for it."""
    for pid in {process.pid, *serve.processes(house, name)}:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def storm(house: House, files: list[Path]) -> None:
    """Kill and start again while an AI sends; it sends each again until it hears Success."""
    dice, sent, kills = random.Random(4712), threading.Event(), 0
    processes = {name: house.start(name) for name in ("listen", "work")}

    def send() -> None:
        for file in files:
            while not journey.sent_safely(house, file, called="RESULTS", calling="AI"):
                time.sleep(0.1)
            time.sleep(0.4)
        sent.set()

    threading.Thread(target=send, daemon=True).start()
    while kills < KILLS or not sent.is_set():
        time.sleep(dice.uniform(0.3, 2.5))
        if kills < KILLS:
            name = dice.choice(list(processes))
            kill(house, processes[name], name)
            processes[name], kills = house.start(name), kills + 1


@pytest.mark.journey
@pytest.mark.peers
@pytest.mark.timeout(600)
def test_promise_2_every_acknowledged_result_comes_home_once(house: House, tmp_path: Path) -> None:
    house.env.update(CALM, DICOM_WORKERS="2")
    pacs = Orthanc(tmp_path / "orthanc")
    try:
        configured(house, pacs)
        processes = {name: house.start(name) for name in ("listen", "work")}
        journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
        study = written(tmp_path / "study", *(cast.ct(instance=number) for number in (1, 2)))
        assert journey.sent_safely(house, *study, called="INTAKE")
        journey.wait_until(lambda: journey.all_delivered(house, 1), "the study is outside")
        outside = [dcmread(path) for path in journey.dicom_files(house.data / "outbox")]
        for name, process in processes.items():
            kill(house, process, name)
        made = [results.made("SEG", outside) for _ in range(RESULTS)]
        storm(house, written(tmp_path / "made", *made))
        home = "SELECT count(*) FROM retrieval_homecoming WHERE state = 'delivered'"
        journey.wait_until(lambda: journey.count(house, home) == RESULTS, "the results are home")
        assert len(pacs.get("/instances")) == RESULTS
        assert journey.count(house, "SELECT count(*) FROM retrieval_result") == RESULTS
        [line] = [one for one in journey.ledger(house) if one["destination"] == "home"]
        assert (line["received"], line["delivered"], line["difference"]) == (RESULTS, RESULTS, 0)
        assert journey.leaks(house, cast.ADA.needles) == set()
    finally:
        pacs.close()

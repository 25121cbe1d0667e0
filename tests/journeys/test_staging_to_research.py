"""C01 to C03: studies are pulled from the staging PACS, lose their names, are reviewed, and go to the research PACS.

The run is killed in the middle and goes on."""

import os
import re
import signal
import time
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.retrieval.pull.pacs import Pacs, serving
from tests.retrieval.test_delivering import Shelf
from tests.retrieval.test_delivering import shelf as a_shelf

pytestmark = [pytest.mark.journey]
shelf = a_shelf
SITE = """
projects: [{{name: default, recipe: basic}}]
nodes:
  - {{name: STAGING, ae_title: PACS, host: 127.0.0.1, port: {staging}, may: []}}
  - {{name: RESEARCH, ae_title: CLIN, host: 127.0.0.1, port: {research}, may: []}}
destinations: [{{name: research, kind: dimse, node: RESEARCH}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [research], review: true}}]
"""
PULL = ("pull", "--from", "STAGING", "--patient", cast.ADA.id)
EACH = 6


def here(house: House) -> int:
    return journey.count(house, "SELECT count(*) FROM studies_instance")


@pytest.mark.timeout(600)
def test_from_the_staging_pacs_by_review_to_the_research_pacs(house: House, shelf: tuple[Shelf, int]) -> None:
    research, port = shelf
    plans = [cast.StudyPlan(number=number, accession=f"ACC-{number}") for number in (1, 2)]
    images = [cast.ct(plan, number) for plan in plans for number in range(1, EACH + 1)]
    staging = Pacs(images, before_giving=lambda number: time.sleep(0.1))
    house.env["DICOM_STUDY_TIMEOUT"] = "1"
    with serving(staging):
        site = house.folder / "site.yaml"
        site.write_text(SITE.format(staging=staging.port, research=port))
        assert house.command("configure", str(site)).returncode == 0
        pull = house.start(*PULL)
        journey.wait_until(lambda: here(house) >= EACH // 2, "images of the first run")
        os.kill(pull.pid, signal.SIGKILL)
        pull.wait()
        time.sleep(1.0)  # until the PACS has noticed that nobody listens any more
        result = house.command(*PULL)
    assert result.returncode == 0, result.stdout + result.stderr
    assert here(house) == len(images)
    runs = sorted((house.data / "logs" / "runs").iterdir())
    assert len(runs) == 2 and all(re.fullmatch(r"\d{8}T\d{6}Z-pull-\d+", run.name) for run in runs)
    assert "2 of 2 studies are here: 12 of 12 images." in (runs[-1] / "run.log").read_text()

    user = house.command("createsuperuser", "--noinput", "--username", "rita", "--email", "")
    assert user.returncode == 0, user.stderr
    house.start("work")
    waiting = "SELECT uid FROM studies_study WHERE id IN (SELECT study_id FROM studies_revision WHERE state = 'review')"
    journey.wait_until(lambda: len(journey.rows(house, waiting)) == 2, "both wait for review")
    good, bad = sorted(str(uid) for (uid,) in journey.rows(house, waiting))
    assert not research.data
    assert house.command("review", "approve", good, "--as", "rita").returncode == 0
    rejected = house.command("review", "reject", bad, "--as", "rita", "--comment", "wrong position")
    assert rejected.returncode == 0, rejected.stderr
    journey.wait_until(lambda: len(research.data) == EACH, "the approved study is there")
    for data in research.data.values():
        found = dcmread(BytesIO(data), force=True)
        assert found.StudyInstanceUID == good and str(found.PatientID).startswith("ANON-")
    assert journey.leaks(house, (*cast.ADA.needles, *(plan.accession for plan in plans))) == set()
    assert not [needle for needle in cast.ADA.needles if needle.encode() in b"".join(research.data.values())]


def test_a_run_that_cannot_begin_says_so_in_its_log(house: House) -> None:
    site = house.folder / "site.yaml"
    site.write_text(SITE.format(staging=1, research=2))
    assert house.command("configure", str(site)).returncode == 0
    assert house.command(*PULL).returncode == 1
    (log,) = (house.data / "logs" / "runs").glob("*/run.log")
    assert re.fullmatch(r"\S+Z .+\.\n", log.read_text()), log.read_text()
    assert not [needle for needle in cast.ADA.needles if needle in log.read_text()]
    assert Path(log.parent).stat().st_mode & 0o077 == 0

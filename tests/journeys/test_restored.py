"""DICOM_ANONYMIZE_PATIENTS=False on the wire: the hospital's PACS gets what the modality sent, others get nothing, and
nothing of it lies anywhere, whatever is killed on the way.
"""

import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxy.deid import split
from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.journeys.test_results_killed_midway import kill
from tests.management import test_serve as serve
from tests.tools import debian

pytestmark = [pytest.mark.journey, pytest.mark.peers]

CALM = {"DICOM_STUDY_TIMEOUT": "1", "DELIVERY_LEASE": "5", "DELIVERY_PAUSE": "1", "DELIVERY_PAUSE_MAX": "2"}
KILLS, IMAGES = 2, 8


def configured(house: House, pacs: journey.Scp, outside: journey.Scp) -> None:
    temporary = house.data / "temporary"  # looked at with all the rest
    temporary.mkdir(parents=True)
    house.env.update(CALM, DICOM_ANONYMIZE_PATIENTS="False", TMPDIR=str(temporary))
    text = f"""
projects: [{{name: default, recipe: research}}]
nodes:
- {{name: CT, ae_title: {cast.CT_EAST}, host: 127.0.0.1, port: 104, may: [store]}}
- {{name: OUTSIDE, ae_title: {cast.ARCHIVE}, host: 127.0.0.1, port: {outside.port}}}
- name: PACS
  ae_title: {cast.ARCHIVE}
  host: 127.0.0.1
  port: {pacs.port}
  view: identified
  networks: [127.0.0.1/32]
  projects: [default]
  grant: {{purpose: treatment, until: 2099-01-01}}
destinations:
- {{name: pacs, kind: dimse, node: PACS}}
- {{name: outside, kind: dimse, node: OUTSIDE}}
- {{name: outbox, kind: folder, path: outbox}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: [pacs, outside, outbox]}}]
"""
    (house.folder / "site.yaml").write_text(text)
    result = house.command("configure", str(house.folder / "site.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


@contextmanager
def scps(folder: Path) -> Iterator[tuple[journey.Scp, ...]]:
    slow = journey.Scp(folder / "pacs", None, "--sleep-after", "1")  # so that a kill is in the middle
    made = (slow, journey.Scp(folder / "outside"), journey.Scp(folder / "straight"))
    try:
        for one in made:
            journey.wait_until(lambda one=one: serve.is_open(one.port), "a peer listens")  # type: ignore[misc]
        yield made
    finally:
        for one in made:
            one.close()


def straight_to(scp: journey.Scp, files: list[Path]) -> None:
    """As the modality would send them without us: its own encoder has the last word on each byte."""
    command: list[str | Path] = [
        debian("storescu"),
        "-aet",
        cast.CT_EAST,
        "-aec",
        cast.ARCHIVE,
        "127.0.0.1",
        str(scp.port),
        *files,
    ]
    subprocess.run(command, env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"}, check=True, timeout=100)


def data_sets(folder: Path) -> dict[str, bytes]:
    return {path.name: bytes(split(path.read_bytes()).dataset) for path in journey.dicom_files(folder)}


def states(house: House) -> dict[str, tuple[str, str]]:
    found = journey.rows(
        house,
        "SELECT d.name, v.state, v.reason FROM deliveries_delivery v"
        " JOIN routing_destination d ON d.id = v.destination_id",
    )
    return {str(name): (str(state), str(reason)) for name, state, reason in found}


def arrived(house: House) -> bool:
    return [state for state, _ in states(house).values()].count("refused") == 2 and states(house)["pacs"][
        0
    ] == "delivered"


@pytest.mark.timeout(300)
def test_promises_1_2_6_8_the_pacs_gets_what_was_sent_and_nobody_else_anything(
    house: House, tmp_path: Path
) -> None:
    dice = random.Random(4713)
    scanner = tmp_path / "scanner"
    scanner.mkdir()
    files = [cast.save(cast.ct(instance=number), scanner) for number in range(1, IMAGES + 1)]
    with scps(tmp_path) as (pacs, outside, straight):
        configured(house, pacs, outside)
        house.start("listen")
        work = house.start("work")
        journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
        straight_to(straight, files)
        assert journey.sent_safely(house, *files)
        for number in range(KILLS):
            journey.wait_until(lambda n=number: len(data_sets(pacs.folder)) > 2 * n + 1, "it goes on")  # type: ignore[misc]
            time.sleep(dice.uniform(0.0, 1.0))
            kill(house, work, "work")
            assert 0 < len(data_sets(pacs.folder)) < IMAGES
            assert journey.leaks(house, cast.ADA.needles) == set()
            work = house.start("work")
        journey.wait_until(lambda: arrived(house), "restored where it may be, refused where not")
        assert data_sets(pacs.folder) == data_sets(straight.folder)
        assert len(data_sets(pacs.folder)) == IMAGES
        assert list(outside.folder.iterdir()) == []
        assert not (house.data / "outbox").exists()
        for name in ("outside", "outbox"):
            assert "DICOM_ANONYMIZE_PATIENTS" in states(house)[name][1]
        assert {line["difference"] for line in journey.ledger(house)} == {0}
        assert journey.leaks(house, [*cast.ADA.needles, cast.REFERRER]) == set()
        said = house.command("doctor").stdout
        assert "images leave with the patients' names, to pacs (default)" in said
        assert "outbox gets nothing of project default" in said

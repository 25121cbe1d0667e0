"""A pull is killed in the middle, twice, and goes on: every image is fetched, none that was here is fetched again."""

import os
import signal
import time
from collections import Counter

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.retrieval.pull.pacs import Pacs, serving

pytestmark = [pytest.mark.journey]

PLANS = [cast.StudyPlan(number=number, accession=f"ACC-{number}") for number in range(1, 5)]
EACH = 10
SITE = """
projects: [{{name: default, recipe: basic}}]
nodes: [{{name: ARCHIVE, ae_title: PACS, host: 127.0.0.1, port: {port}, may: []}}]
destinations: [{{name: outbox, kind: folder, path: outbox}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [outbox]}}]
"""
PULL = ("pull", "--from", "ARCHIVE", "--patient", cast.ADA.id)


def here(house: House) -> int:
    return journey.count(house, "SELECT count(*) FROM studies_instance")


@pytest.mark.timeout(600)
def test_promise_12_a_killed_pull_goes_on_where_it_stood(house: House) -> None:
    images = [cast.ct(plan, number) for plan in PLANS for number in range(1, EACH + 1)]
    pacs = Pacs(images, before_giving=lambda number: time.sleep(0.05))
    with serving(pacs):
        site = house.folder / "site.yaml"
        site.write_text(SITE.format(port=pacs.port))
        assert house.command("configure", str(site)).returncode == 0
        for enough in (EACH // 2, 2 * EACH + EACH // 2):
            pull = house.start(*PULL)
            journey.wait_until(lambda enough=enough: here(house) >= enough, "images of a pull")  # type: ignore[misc]
            os.kill(pull.pid, signal.SIGKILL)
            pull.wait()
            assert here(house) < len(images)
        time.sleep(1.0)  # until the PACS has noticed that nobody listens any more
        known = here(house)
        before = len(pacs.given)
        result = house.command(*PULL)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"4 of 4 studies are here: {len(images)} of {len(images)} images." in result.stdout
    assert here(house) == len(images)
    assert len(pacs.given) - before == len(images) - known, "an image that was here was fetched again"
    assert max(Counter(pacs.given).values()) <= 3
    assert journey.count(house, "SELECT count(*) FROM vault_memo") == 0
    assert journey.leaks(house, (*cast.ADA.needles, *(plan.accession for plan in PLANS))) == set()


@pytest.mark.timeout(600)
def test_sigterm_ends_a_pull_in_order_and_says_so(house: House) -> None:
    images = [cast.ct(PLANS[0], number) for number in range(1, EACH + 1)]
    pacs = Pacs(images, before_giving=lambda number: time.sleep(0.3))
    with serving(pacs):
        site = house.folder / "site.yaml"
        site.write_text(SITE.format(port=pacs.port))
        assert house.command("configure", str(site)).returncode == 0
        pull = house.start(*PULL)
        journey.wait_until(lambda: here(house) >= 2, "images of a pull")
        pull.send_signal(signal.SIGTERM)
        assert pull.wait(timeout=100) == 130
        assert "the same call goes on from there" in (house.folder / "pull-0.out").read_text()
        pacs.before_giving = lambda number: None
        result = house.command(*PULL)
    assert result.returncode == 0, result.stdout + result.stderr
    assert here(house) == len(images)

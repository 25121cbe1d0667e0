"""Fifty at once at the edge of a month's quota, through the doors as they are served: exactly what is left is given."""

import http.client
import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from proxy.tiers import quota
from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management.test_serve import answers, is_open, until
from tests.tools import debian

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]
KEY = "0123456789abcdef" * 2
ALLOWED, LEFT, AT_ONCE = 50, 17, 50
SITE = """
projects: [{name: default, recipe: basic}, {name: customer-acme, recipe: basic}]
routes:
  - {called_ae: DICOMRCV, project: default}
  - {called_ae: ACME, project: customer-acme}
"""
FILL = f"""
from django.utils import timezone
from proxy.tiers import quota
from proxy.tiers.models import Customer
quota.take_many(Customer.objects.get(), {ALLOWED - LEFT}, 0, timezone.now())
"""
USED = "SELECT files FROM tiers_usage"  # asked for by HTTP, it would wait until the minute has room for the question
MARKS = "SELECT count(*) FROM audit_entry WHERE action = 'service.pseudonymized'"


@dataclass(frozen=True)
class Said:
    status: int
    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def code(self) -> str:
        return "" if self.status == 200 else str(json.loads(self.body)["code"])

    @property
    def is_true(self) -> bool:
        """Whether it is worth asking again when `Retry-After` says, and not before."""
        wait = timedelta(seconds=int(self.headers["Retry-After"]))
        if self.code == "quota":
            return abs(self.at + wait - quota.next_month(self.at)) < timedelta(seconds=5)
        return self.code == "too-many-requests" and timedelta(0) < wait <= timedelta(minutes=1)


def asked(house: House, method: str, path: str, body: bytes | None = None) -> Said:
    headers = {"X-API-Key": KEY, "Content-Type": "application/dicom"}
    line = http.client.HTTPConnection("127.0.0.1", house.api_port, timeout=120)
    try:
        line.request(method, path, body, headers)
        answer = line.getresponse()
        return Said(answer.status, dict(answer.headers), answer.read(), datetime.now(UTC))
    finally:
        line.close()


def uploaded(house: House, number: int, start: Barrier) -> Said:
    """As a client does that reads: whoever is told to come again does."""
    body = cast.part10(cast.ct(instance=number, size=32))
    start.wait(60)
    while True:
        said = asked(house, "POST", "/v1/anonymize", body)
        if said.status != 503:
            return said
        time.sleep(int(said.headers["Retry-After"]))


@pytest.fixture
def served(house: House, tmp_path: Path) -> House:
    house.env["DCM_API_KEYS"] = f"acme:{KEY}"
    (tmp_path / "site.yaml").write_text(SITE)
    assert house.command("configure", str(tmp_path / "site.yaml")).returncode == 0
    assert house.command("customer", "list").returncode == 0
    assert house.command("shell", "-c", FILL).returncode == 0
    house.start("serve", SERVICE_AT_ONCE="12", DISK_WATERMARK="0")
    until(lambda: answers(house.api_port) and is_open(house.dicom_port))
    assert json.loads(asked(house, "GET", "/v1/usage").body)["files_left"] == LEFT
    return house


Job = Callable[[Barrier], Any]


def all_at_once(jobs: list[Job]) -> list[Any]:
    start = Barrier(len(jobs))
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [one.result() for one in [pool.submit(job, start) for job in jobs]]


def uploads(house: House, count: int) -> list[Job]:
    return [partial(uploaded, house, number) for number in range(1, count + 1)]


def test_fifty_uploads_at_once_get_exactly_what_is_left(served: House) -> None:
    told: list[Said] = all_at_once(uploads(served, AT_ONCE))

    assert Counter(one.status for one in told) == {200: LEFT, 429: AT_ONCE - LEFT}
    assert all(one.is_true for one in told if one.status == 429)
    assert "quota" in {one.code for one in told}
    assert journey.count(served, USED) == ALLOWED
    assert journey.count(served, MARKS) == LEFT, "each that was given is marked, and none that was not"


def test_uploads_and_a_modality_at_once_get_exactly_what_is_left(served: House, tmp_path: Path) -> None:
    """Five associations of five images, and twenty-five uploads: all of one customer."""
    images = [cast.save(cast.ct(instance=number), tmp_path) for number in range(1, 26)]
    senders: list[Job] = [partial(stored, served, images[at : at + 5]) for at in range(0, 25, 5)]
    told = all_at_once([*uploads(served, AT_ONCE - 25), *senders])

    answers, successes = told[:-5], sum(told[-5:])
    clean = sum(one.status == 200 for one in answers)
    assert clean + successes == LEFT and {one.status for one in answers} <= {200, 429}
    assert all(one.is_true for one in answers if one.status == 429)
    assert journey.count(served, USED) == ALLOWED
    assert journey.count(served, "SELECT count(*) FROM studies_instance") == successes
    assert journey.count(served, MARKS) == clean


def stored(house: House, images: list[Path], start: Barrier) -> int:
    """How many of them were taken, as DCMTK's storescu hears it; all others heard why not."""
    sender = [debian("storescu"), "-d", "-nh", "-aet", cast.CT_EAST, "-aec", "ACME"]
    start.wait(60)
    said = subprocess.run(
        [*sender, "127.0.0.1", str(house.dicom_port), *images],
        env={"TCP_NODELAY": "1", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    heard = said.stdout + said.stderr
    taken = heard.count("0x0000: Success")
    assert taken + heard.lower().count("0xa700") == len(images), heard[-2_000:]
    return taken

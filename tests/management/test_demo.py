"""The README's first command: everything arrives, nothing identifying does, and SUV stays what it was."""

import re
import urllib.request

import pytest
from django.conf import LazySettings

from proxy.management.commands.demo import reference_backend
from proxy.management.demo import pet
from proxy.management.demo.site import extended, withdrawn
from proxy.routing.site import DestinationSpec, ProjectSpec, RouteSpec, Site
from tests.backend.platform import until
from tests.house import ROOT, House

NEEDLES = (b"Example^Ada", b"AE-4711", b"Referrer", b"Quince", b"CompressedSamples", b"5MR2", b"CQ500-CT-310")


@pytest.mark.journey
def test_the_demo_brings_three_studies_through_the_house(new_machine: House) -> None:
    house = new_machine
    done = house.command("demo", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    for said in (
        "CT: 2 images delivered",
        "MR: 2 images delivered",
        "PET: 6 images delivered",
        "Log in as admin",
        "3 archives with 10 images arrived at the reference backend",
    ):
        assert said in done.stdout
    assert done.stdout.count("delivered to demo-backend, ") == 3
    assert done.stdout.count("bit-identical") == 3
    suv = re.search(r"highest SUV\D*([\d.]+)\D*([\d.]+)", done.stdout)
    assert suv is not None
    assert suv[1] == suv[2]
    written = [file for file in house.data.rglob("*") if file.is_file()]
    assert sum(file.suffix == ".dcm" for file in written) == 20  # kept and delivered
    for file in written:
        assert not any(needle in file.read_bytes() for needle in NEEDLES), file.name

    again = house.command("demo", "--once")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sum(file.suffix == ".dcm" for file in house.data.rglob("*")) == 20
    assert "Log in as" not in again.stdout
    assert "3 archives with 10 images arrived at the reference backend" in again.stdout
    exported = house.command("export_site").stdout
    assert "PET_EAST" in exported and "backend" not in exported  # nothing waits for it afterwards


@pytest.mark.journey
def test_the_page_shows_what_arrived_while_it_serves(new_machine: House) -> None:
    house = new_machine
    demo = house.start("demo")
    output = house.folder / "demo-0.out"
    until(lambda: "Serving until" in output.read_text() or demo.poll() is not None, 200)
    found = re.search(r"reference backend: (http://127\.0\.0\.1:\d+)/", output.read_text())
    assert found, output.read_text()
    with urllib.request.urlopen(f"{found[1]}/", timeout=5) as answer:
        page = answer.read().decode()
    assert "3 archives" in page and "ANON-" in page and "1 connected" in page and "config_update" in page
    assert not any(needle.decode() in page for needle in NEEDLES)
    demo.terminate()
    assert demo.wait(60) == 0


def test_what_is_shipped_needs_no_tests() -> None:
    """The demonstration and its backend run where `tests/` was never copied to."""
    for folder in ("proxy", "config"):
        for file in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"^\s*(from|import) tests\b", file.read_text(), re.MULTILINE), file


def test_where_a_backend_is_named_that_is_the_one(settings: LazySettings) -> None:
    settings.ITH_URL = "https://backend.example"
    with reference_backend() as backend:
        assert backend is None


CALLED = "DICOMRCV"
USERS = Site(
    projects=(ProjectSpec("default"),),
    destinations=(DestinationSpec("outbox", "folder", path="mine"),),
    routes=(
        RouteSpec(CALLED, "default", destinations=("outbox",)),
        RouteSpec(CALLED, "default", calling_ae="CT_EAST", destinations=("outbox",), review=True),
    ),
)


def test_the_demo_takes_nothing_from_a_site_and_leaves_no_backend_behind() -> None:
    once = extended(USERS, CALLED, backend=True)
    assert extended(once, CALLED, backend=True) == once
    ways = {route.calling_ae: route for route in once.routes}
    assert set(ways) == {"", "CT_EAST", "MR_EAST", "PET_EAST"}
    assert ways[""] == USERS.routes[0] and ways["CT_EAST"].review
    assert all("demo-backend" in ways[ae].destinations for ae in ways if ae)
    assert once.destinations[0].path == "mine"
    left = withdrawn(once)
    assert set(USERS.routes) <= set(left.routes) and left == extended(USERS, CALLED, backend=False)
    assert extended(left, CALLED, backend=True) == once


def test_a_taken_port_is_named(house: House) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", house.dicom_port))
        other.listen()
        done = house.command("demo", "--once")
    assert done.returncode == 1
    assert f"Port {house.dicom_port} is taken" in done.stderr


def test_the_pet_series_has_all_that_suv_needs() -> None:
    ds = pet._slice(1)
    assert ds.PatientWeight == 71.5
    assert ds.RadiopharmaceuticalInformationSequence[0].RadionuclideTotalDose == 370_000_000

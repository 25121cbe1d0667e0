"""The README's first command: everything arrives, nothing identifying does, and SUV stays what it was."""

import re

import pytest

from proxy.management.demo import pet
from tests.house import House

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
    ):
        assert said in done.stdout
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

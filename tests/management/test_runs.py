"""What a run said lies in a folder of its own; what is old goes, and what cannot be written stops nothing."""

import io
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management.base import CommandError

from proxy.management.pulling import runs


@pytest.fixture
def place(settings: LazySettings, tmp_path: Path) -> Path:
    settings.DICOM_LOG_DIR = tmp_path / "logs"
    return tmp_path / "logs" / "runs"


def log(place: Path) -> str:
    (found,) = place.glob("*/run.log")
    return " ".join(line.split(" ", 1)[1] for line in found.read_text().splitlines())


def test_each_line_stands_on_the_console_and_in_the_log(place: Path) -> None:
    console = io.StringIO()
    with runs.logged("pull", console) as say:
        say("PACS lists 2 studies.")
    assert console.getvalue() == "PACS lists 2 studies." and log(place) == "PACS lists 2 studies. Done."


def test_how_it_ended_is_the_last_line(place: Path) -> None:
    with pytest.raises(CommandError), runs.logged("pull", io.StringIO()):
        raise CommandError("It cannot be reached.")
    assert log(place) == "It cannot be reached."


def test_of_a_surprise_only_its_kind_is_kept(place: Path) -> None:
    with pytest.raises(ValueError), runs.logged("dispatch", io.StringIO()):
        raise ValueError("Example^Ada")
    assert log(place) == "Ended by ValueError."


def test_a_folder_that_cannot_be_written_stops_no_run(place: Path) -> None:
    place.parent.mkdir()
    place.write_text("a file")
    console = io.StringIO()
    with runs.logged("pull", console) as say:
        say("It goes on.")
    assert console.getvalue() == "It goes on."


def test_the_oldest_runs_go_and_nothing_else(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "KEPT", 2)
    old = [f"2020010{day}T000000Z-pull-1" for day in range(1, 5)]
    for name in (*old, "notes", "20200101T000000Z-pull-x"):
        (place / name).mkdir(parents=True)
    with runs.logged("pull", io.StringIO()):
        pass
    left = {one.name for one in place.iterdir()}
    assert (
        {"notes", "20200101T000000Z-pull-x", old[-1]} < left and not left & set(old[:-1]) and len(left) == 4
    )

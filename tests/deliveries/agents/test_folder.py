import dataclasses
import errno
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from proxy.deliveries.agents import beside, folder
from proxy.deliveries.outcomes import INTERRUPTED, Delivered, Outcome, Refused, TryLater
from proxy.deliveries.parcel import Parcel, Shelf
from proxy.storage.templates import parse
from tests.aside import changed
from tests.deliveries.agents.parcels import PATIENT, SERIES, STUDY, Ear, items_in, parcel_of

UNDER = Path(PATIENT) / STUDY / SERIES


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "outbox", make=True, as_zip=False)


@pytest.fixture
def parcel(tmp_path: Path, shelf: Shelf) -> Parcel:
    return parcel_of(items_in(tmp_path / "store", 5), shelf)


def zip_parcel(parcel: Parcel) -> Parcel:
    assert isinstance(parcel.to, Shelf)
    return dataclasses.replace(parcel, to=dataclasses.replace(parcel.to, as_zip=True))


def deliver(parcel: Parcel, ear: Ear | None = None) -> tuple[Outcome, list[int]]:
    ear = ear or Ear()
    return folder.deliver(parcel, ear.acknowledge, ear.keep_going), ear.heard


def files_below(shelf: Shelf) -> list[str]:
    return sorted(str(path.relative_to(shelf.path)) for path in shelf.path.rglob("*") if path.is_file())


def test_each_image_has_its_place_below_patient_study_and_series(parcel: Parcel, shelf: Shelf) -> None:
    assert deliver(parcel) == (Delivered(), [0, 1, 2, 3, 4])
    assert files_below(shelf) == sorted(str(UNDER / f"2.25.12{n}.dcm") for n in range(5))
    for item in parcel.items:
        assert (shelf.path / UNDER / f"{item.uid}.dcm").read_bytes() == item.path.read_bytes()


def named(parcel: Parcel, template: str, **more: object) -> Parcel:
    assert isinstance(parcel.to, Shelf)
    to = dataclasses.replace(parcel.to, template=parse(template))
    return dataclasses.replace(parcel, to=to, **more)  # type: ignore[arg-type]


def test_a_template_names_the_files(parcel: Parcel, shelf: Shelf) -> None:
    items = tuple(dataclasses.replace(item, modality="CT", series_number="2") for item in parcel.items)
    template = "{project}/{patient_id}/{study_uid}/{modality}-{series_number}/{n}-{revision}.dcm"
    to_go = named(parcel, template, items=items, project="heart")
    assert deliver(to_go) == (Delivered(), [0, 1, 2, 3, 4])
    below = f"heart/{PATIENT}/{STUDY}/CT-2"
    assert files_below(shelf) == [f"{below}/00000{n}-2.dcm" for n in range(1, 6)]
    assert deliver(to_go) == (Delivered(), [0, 1, 2, 3, 4]) and len(files_below(shelf)) == 5


def test_a_rest_of_a_revision_has_the_names_it_always_had(parcel: Parcel, shelf: Shelf) -> None:
    deliver(named(parcel, "{patient_id}/{study_uid}/{revision}/{n}", items=parcel.items[3:]))
    assert files_below(shelf) == [f"{PATIENT}/{STUDY}/2/00000{n}" for n in (4, 5)]


def test_a_template_names_the_zip(parcel: Parcel, shelf: Shelf) -> None:
    assert deliver(named(zip_parcel(parcel), "v{revision}/{patient_id}_{study_uid}.zip"))[0] == Delivered()
    assert files_below(shelf) == [f"v2/{PATIENT}_{STUDY}.zip"]


@pytest.mark.parametrize(
    "hostile", ["../../../etc/cron.d/x", "/tmp/x", "..", "Exampleova^Ada", "a\\..\\b", ""]
)
def test_what_an_image_says_of_itself_leads_nowhere(parcel: Parcel, shelf: Shelf, hostile: str) -> None:
    items = [dataclasses.replace(item, modality=hostile, series_number=hostile) for item in parcel.items]
    template = "{modality}/{series_number}/{patient_id}/{instance_uid}"
    assert deliver(named(parcel, template, items=tuple(items)))[0] == Delivered()
    assert len(files_below(shelf)) == 5
    assert all(
        re.fullmatch(rf"[A-Za-z0-9]+/[A-Za-z0-9]+/{PATIENT}/2\.25\.12\d", one) for one in files_below(shelf)
    )
    beside_it = [path for path in shelf.path.parent.rglob("*.dcm") if not path.is_relative_to(shelf.path)]
    assert {path.parent.name for path in beside_it} == {"store"} and len(beside_it) == 5


def test_a_retry_never_doubles_a_file(parcel: Parcel, shelf: Shelf) -> None:
    deliver(parcel)
    before = files_below(shelf)
    assert deliver(parcel) == (Delivered(), [0, 1, 2, 3, 4])
    assert files_below(shelf) == before


def test_half_a_file_is_replaced_by_a_whole_one(parcel: Parcel, shelf: Shelf) -> None:
    place = shelf.path / UNDER / f"{parcel.items[0].uid}.dcm"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half")
    deliver(parcel)
    assert place.read_bytes() == parcel.items[0].path.read_bytes()


@pytest.mark.parametrize("as_zip", [False, True])
def test_a_missing_file_is_refused_with_a_reason_and_never_delivered__promise_3(
    parcel: Parcel, shelf: Shelf, as_zip: bool
) -> None:
    parcel.items[2].path.unlink()
    outcome, heard = deliver(zip_parcel(parcel) if as_zip else parcel)
    assert isinstance(outcome, Refused)
    assert folder.GONE in outcome.reason
    assert heard == ([] if as_zip else [0, 1, 3, 4])
    assert len(files_below(shelf)) == len(heard)


def test_a_mount_that_goes_away_in_the_middle_is_no_local_folder__promise_3(tmp_path: Path) -> None:
    """It was made anew on the local disk, and what was written there counted as delivered."""
    mount = tmp_path / "mount"
    (mount / "outbox").mkdir(parents=True)
    shelf = Shelf(mount / "outbox", make=False, as_zip=False)
    parcel = parcel_of(items_in(tmp_path / "store", folder.BATCH + 5), shelf)
    ear = Ear()

    def goes_away(ordinals: Sequence[int]) -> None:
        ear.acknowledge(ordinals)
        mount.rename(tmp_path / "away")

    outcome = folder.deliver(parcel, goes_away, ear.keep_going)
    assert outcome == TryLater("The destination's folder is not there; check its mount.")
    assert ear.heard == list(range(folder.BATCH))
    assert not mount.exists()


def test_a_mount_that_goes_away_while_a_zip_is_begun_is_no_local_folder(tmp_path: Path) -> None:
    mount = tmp_path / "mount"
    (mount / "outbox").mkdir(parents=True)
    shelf = Shelf(mount / "outbox", make=False, as_zip=True)
    parcel = parcel_of(items_in(tmp_path / "store", 2), shelf)

    def goes_away(path: Path) -> bool:
        if path == mount / "outbox":
            mount.rename(tmp_path / "away")
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folder, "_open", lambda shelf: goes_away(shelf.path))
        outcome, heard = deliver(parcel)
    assert (type(outcome), heard) == (TryLater, [])
    assert not mount.exists()


def test_a_stop_keeps_what_was_acknowledged_and_blames_nobody(tmp_path: Path, shelf: Shelf) -> None:
    parcel = parcel_of(items_in(tmp_path / "store", folder.BATCH + 5), shelf)
    outcome, heard = deliver(parcel, Ear(turns=1))
    assert outcome == INTERRUPTED
    assert heard == list(range(folder.BATCH))


TROUBLES = {errno.ENOSPC: "is full", errno.EDQUOT: "is full", errno.EROFS: "EROFS", errno.EIO: "EIO"}


@pytest.mark.parametrize("number", TROUBLES)
@pytest.mark.parametrize("as_zip", [False, True])
def test_a_folder_in_trouble_is_tried_later_and_left_without_half_files(
    parcel: Parcel, monkeypatch: pytest.MonkeyPatch, number: int, as_zip: bool
) -> None:
    def broken(_: int) -> None:
        raise OSError(number, os.strerror(number))

    assert isinstance(parcel.to, Shelf)
    parcel.to.path.mkdir()
    monkeypatch.setattr(beside, "os", changed(os, fsync=broken))
    outcome, heard = deliver(zip_parcel(parcel) if as_zip else parcel)
    assert isinstance(outcome, TryLater)
    assert outcome.rests
    assert TROUBLES[number] in outcome.reason
    assert heard == []
    assert files_below(parcel.to) == []


def test_a_mount_that_is_away_is_not_made_as_a_local_folder(parcel: Parcel, tmp_path: Path) -> None:
    away = tmp_path / "mount" / "outbox"
    outcome, heard = deliver(dataclasses.replace(parcel, to=Shelf(away, make=False, as_zip=False)))
    assert outcome == TryLater("The destination's folder is not there; check its mount.")
    assert heard == []
    assert not away.parent.exists()


@pytest.mark.parametrize("name", ["..", "a/b", ".hidden", "", "a\0b", "x" * 200])
@pytest.mark.parametrize("as_zip", [False, True])
def test_a_name_that_leads_elsewhere_is_refused(
    parcel: Parcel, shelf: Shelf, name: str, as_zip: bool
) -> None:
    odd = dataclasses.replace(parcel, patient=name)
    outcome, heard = deliver(zip_parcel(odd) if as_zip else odd)
    assert isinstance(outcome, Refused)
    assert heard == []
    assert files_below(shelf) == []


def test_a_zip_holds_the_whole_revision_under_the_same_names(parcel: Parcel, shelf: Shelf) -> None:
    assert deliver(zip_parcel(parcel)) == (Delivered(), [0, 1, 2, 3, 4])
    assert files_below(shelf) == [f"{PATIENT}/{STUDY}-2.zip"]
    with zipfile.ZipFile(shelf.path / PATIENT / f"{STUDY}-2.zip") as made:
        assert made.testzip() is None
        for item in parcel.items:
            assert made.read(str(UNDER / f"{item.uid}.dcm")) == item.path.read_bytes()


def test_a_zip_made_again_is_the_same_file(parcel: Parcel, shelf: Shelf) -> None:
    place = shelf.path / PATIENT / f"{STUDY}-2.zip"
    deliver(zip_parcel(parcel))
    first = place.read_bytes()
    time.sleep(0.01)
    deliver(zip_parcel(parcel))
    assert place.read_bytes() == first


def test_a_zip_that_was_stopped_leaves_nothing_behind(parcel: Parcel, shelf: Shelf) -> None:
    assert deliver(zip_parcel(parcel), Ear(turns=3)) == (INTERRUPTED, [])
    assert files_below(shelf) == []


def test_a_zip_is_streamed_and_never_whole_in_memory(tmp_path: Path) -> None:
    """Half a gigabyte of images under 200 MB of address space beyond the interpreter's own."""
    script = """
import resource, sys
from pathlib import Path
from proxy.deliveries.agents import folder
from proxy.deliveries.parcel import Item
big = Path(sys.argv[1])
with big.open("wb") as file:
    file.truncate(256 << 20)
used = int(Path("/proc/self/statm").read_text().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (used + (100 << 20), used + (100 << 20)))
members = [(Item(n, "1.2", "2.25.1", "1.2", big, "2.25.2"), Path(f"{n}.dcm")) for n in range(2)]
print(sum(len(piece) for piece in folder.zipped(members, lambda: True)) > 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "big")], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_a_killed_worker_left_half_written_is_swept_once_it_is_old(parcel: Parcel, shelf: Shelf) -> None:
    place = shelf.path / UNDER
    place.mkdir(parents=True)
    old, young = place / ".2.25.120.dcm.aaaa.part", place / ".2.25.121.dcm.bbbb.part"
    for part in (old, young):
        part.write_bytes(b"half")
    os.utime(old, (0, 0))
    deliver(parcel)
    assert not old.exists()
    assert young.exists()

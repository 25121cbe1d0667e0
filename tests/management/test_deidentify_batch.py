"""A batch as a whole: many processes, killed ones, stopped ones, maps, names and media."""

import csv
import io
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from proxy.deid import split
from tests import cast
from tests.deid import corpus
from tests.house import House
from tests.journeys import help as journey
from tests.tools import debian

PLANTED = "Plantedname-Verrault"


def scans(tmp_path: Path, count: int = 6) -> Path:
    """Two persons in folders and files that bear their names; one text file."""
    for patient, plan in ((cast.ADA, 1), (cast.BEN, 2)):
        folder = tmp_path / "scans" / f"{PLANTED} {patient.name}" / "series"
        folder.mkdir(parents=True)
        for number in range(1, count // 2 + 1):
            image = cast.ct(cast.StudyPlan(patient, plan), instance=number)
            (folder / f"{patient.name}-{number}.dcm").write_bytes(cast.part10(image))
    (tmp_path / "scans" / f"{PLANTED}.txt").write_text(cast.ADA.name)
    return tmp_path / "scans"


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def finds_nobody(*texts: bytes) -> bool:
    needles = (*cast.NEEDLES, PLANTED)
    return not [n for n in needles for text in texts if any(form in text for form in cast.spellings(n))]


@contextmanager
def file_set(directory: Path | None = None) -> Iterator[FileSet]:
    """pydicom leaves its temporary folder to the garbage collector, which warns."""
    files = FileSet(directory)
    try:
        yield files
    finally:
        files._stage["t"].cleanup()


def user(house: House, name: str = "ada") -> None:
    words = ("createsuperuser", "--noinput", "--username", name, "--email", "")
    assert house.command(*words, DJANGO_SUPERUSER_PASSWORD="a-long-password-7").returncode == 0


def done(result: "subprocess.CompletedProcess[str]", code: int = 0) -> str:
    assert result.returncode == code, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    return result.stdout


def test_many_processes_do_what_one_does_and_meet_each_person_once(house: House, tmp_path: Path) -> None:
    source = scans(tmp_path, 60)
    done(house.command("deidentify", str(source), str(tmp_path / "four"), "--jobs", "4"))
    done(house.command("deidentify", str(source), str(tmp_path / "one"), "--jobs", "1"))
    done(house.command("deidentify", str(source), str(tmp_path / "four"), "--jobs", "3"))
    assert files_below(tmp_path / "four") == files_below(tmp_path / "one")
    assert len(files_below(tmp_path / "one")) == 60
    assert journey.count(house, "SELECT count(*) FROM vault_person") == 2
    assert journey.count(house, "SELECT count(*) FROM vault_seal") == 60
    assert journey.count(house, "SELECT count(*) FROM vault_uidpair") == 6


def test_no_name_stays_in_names_logs_output_or_sealed_map(house: House, tmp_path: Path) -> None:
    source, out, papers = scans(tmp_path), tmp_path / "clean", tmp_path / "papers"
    papers.mkdir()
    for number, words in enumerate(([], ["--keep-structure"], ["--dicomdir"])):
        extra = ["--map", str(papers / f"{number}.csv"), *words]
        result = house.command("deidentify", str(source), str(out / str(number)), *extra)
        told = done(result) + result.stderr
        names = "\n".join(files_below(out / str(number)))
        sealed = (papers / f"{number}.csv.sealed").read_bytes()
        assert finds_nobody(told.encode(), names.encode(), sealed, *files_below(out / str(number)).values())
    logs = files_below(house.data)
    assert finds_nobody(
        *[content for name, content in logs.items() if "log" in name], b"\n".join(map(str.encode, logs))
    )


def test_promise_8_a_sealed_map_is_read_by_whoever_may_and_leaves_a_mark(
    house: House, tmp_path: Path
) -> None:
    source, sealed, clear = scans(tmp_path), tmp_path / "map.csv.sealed", tmp_path / "read.csv"
    done(
        house.command("deidentify", str(source), str(tmp_path / "clean"), "--map", str(tmp_path / "map.csv"))
    )
    assert stat.S_IMODE(sealed.stat().st_mode) == 0o600
    user(house)
    words = ("reidentify", "--map", str(sealed), str(clear), "--as", "ada", "--purpose")
    done(house.command(*words, " "), 1)
    assert not clear.exists()
    done(house.command(*words, "a recall"))
    rows = list(csv.DictReader(io.StringIO(clear.read_text())))
    assert {row["patient_id"] for row in rows} == {cast.ADA.id, cast.BEN.id}
    for row in rows:
        image = dcmread(tmp_path / "clean" / row["clean_file"])
        assert row["clean_sop_instance_uid"] == image.SOPInstanceUID
        assert row["pseudonym"] == image.PatientID
        original = dcmread(source / row["original_file"])
        assert row["sop_instance_uid"] == original.SOPInstanceUID
    marks = journey.rows(house, "SELECT purpose FROM audit_entry WHERE action = 'identity.map-read'")
    assert [str(mark[0]) for mark in marks] == ["a recall"] * 2


def test_a_map_in_clear_is_asked_for_closed_to_others_defused_and_never_replaced(
    house: House, tmp_path: Path
) -> None:
    source, path = scans(tmp_path), tmp_path / "map.csv"
    image = cast.ct(cast.StudyPlan(number=7, extra={"PatientID": "=cmd|1"}), instance=9)
    cast.save(image, source)
    words = ("deidentify", str(source), str(tmp_path / "clean"), "--map", str(path), "--plain-map")
    assert "WARNING" in done(house.command(*words))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "'=cmd|1" in {row["patient_id"] for row in csv.DictReader(io.StringIO(path.read_text()))}
    before = path.read_bytes()
    done(house.command(*words), 1)
    assert path.read_bytes() == before
    done(house.command(*words, "--overwrite-map"))
    inside = ("deidentify", str(source), str(tmp_path / "clean"), "--map", str(tmp_path / "clean" / "m.csv"))
    done(house.command(*inside), 1)


def test_a_dry_run_writes_nothing_and_says_what_would_be(house: House, tmp_path: Path) -> None:
    source = scans(tmp_path)
    cast.save(cast.ct(cast.StudyPlan(number=4, extra={"BurnedInAnnotation": "YES"})), source)
    told = done(
        house.command("deidentify", str(source), str(tmp_path / "clean"), "--dry-run", "--jobs", "2"), 1
    )
    assert not (tmp_path / "clean").exists()
    assert "Burned In Annotation" in told
    assert "(0010,0030) PatientBirthDate" in told
    assert finds_nobody(told.encode())
    for table in ("vault_person", "vault_seal", "vault_uidpair"):
        assert journey.count(house, f"SELECT count(*) FROM {table}") == 0


def test_siblings_stay_together_under_tokens(house: House, tmp_path: Path) -> None:
    source, out = scans(tmp_path), tmp_path / "clean"
    done(house.command("deidentify", str(source), str(out), "--keep-structure"))
    places = {Path(name).parent for name in files_below(out)}
    assert len(places) == 2
    assert len({place.name for place in places}) == 1
    assert {len(place.parts) for place in places} == {2}


def test_two_files_of_one_uid_are_both_kept_and_both_find_their_way_back(
    house: House, tmp_path: Path
) -> None:
    source, out, back = tmp_path / "scans", tmp_path / "clean", tmp_path / "back"
    source.mkdir()
    one, two = cast.ct(instance=1), cast.ct(instance=1)
    two.PixelData = bytes(len(two.PixelData))
    two.PatientComments = "another copy"
    for name, image in (("a", one), ("b", two), ("c", one)):
        (source / name).write_bytes(cast.part10(image))
    assert "beside others" in done(house.command("deidentify", str(source), str(out), "--jobs", "2"))
    done(house.command("deidentify", str(source), str(out), "--recipe", "minimal"))
    user(house)
    assert len(files_below(out)) >= 3
    done(house.command("reidentify", str(out), str(back), "--as", "ada", "--purpose", "test"))
    originals = {split(content).dataset.tobytes() for content in files_below(source).values()}
    assert {split(content).dataset.tobytes() for content in files_below(back).values()} == originals


def test_a_dicomdir_is_made_anew_and_names_every_clean_file(house: House, tmp_path: Path) -> None:
    source, out = scans(tmp_path), tmp_path / "clean"
    with file_set() as files:
        for path in sorted(source.rglob("*.dcm")):
            files.add(path)
        files.write(tmp_path / "disc")
    told = done(house.command("deidentify", str(tmp_path / "disc"), str(out)))
    assert "DICOMDIR" in told
    with file_set(out / "DICOMDIR") as again:
        assert len(again) == 6
        for instance in again:
            image = instance.load()
            assert isinstance(image, Dataset)
            assert image.SOPInstanceUID == instance.ReferencedSOPInstanceUIDInFile
            assert image.PatientID.startswith("ANON-")
    assert finds_nobody(*files_below(out).values())
    before = files_below(out)
    done(house.command("deidentify", str(tmp_path / "disc"), str(out)))
    assert files_below(out) == before
    shown = subprocess.run([debian("dcmdump"), out / "DICOMDIR"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("DirectoryRecordType") == 2 + 2 + 2 + 6


def test_a_killed_worker_does_not_end_the_batch(house: House, tmp_path: Path) -> None:
    source, out = scans(tmp_path, 400), tmp_path / "clean"
    batch = house.start("deidentify", str(source), str(out), "--jobs", "2")
    killed = 0
    until = time.monotonic() + 200
    while batch.poll() is None and time.monotonic() < until and killed < 3:
        with suppress(OSError):  # it, or all of them, are over
            children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children").read_text().split()
            if len(children) >= 2 and list(out.rglob("*.dcm")):
                os.kill(int(children[0]), signal.SIGKILL)
                killed += 1
                time.sleep(0.05)
    assert batch.wait(150) == 0
    assert killed
    assert len(files_below(out)) == 400
    assert journey.count(house, "SELECT count(*) FROM vault_seal") == 400


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_who_stops_a_batch_is_told_what_is_done_and_goes_on_later(
    house: House, tmp_path: Path, jobs: str
) -> None:
    source, out = scans(tmp_path, 1000), tmp_path / "clean"
    batch = house.start("deidentify", str(source), str(out), "--jobs", jobs)
    until = time.monotonic() + 200
    while not list(out.rglob("*.dcm")) and time.monotonic() < until:
        time.sleep(0.02)
    batch.send_signal(signal.SIGINT)
    assert batch.wait(150) == 130
    assert "not done" in (house.folder / "deidentify-0.out").read_text()
    some = files_below(out)
    assert 0 < len(some) < 1000
    assert all(name.endswith(".dcm") for name in some)
    done(house.command("deidentify", str(source), str(out), "--jobs", jobs))
    assert len(files_below(out)) == 1000


def test_a_batch_that_was_killed_leaves_no_process_and_its_remains_go_with_the_next(
    house: House, tmp_path: Path
) -> None:
    source, out = scans(tmp_path, 400), tmp_path / "clean"
    batch = house.start("deidentify", str(source), str(out), "--jobs", "2")
    until = time.monotonic() + 200
    while not list(out.rglob("*.dcm")) and time.monotonic() < until:
        time.sleep(0.02)
    children = Path(f"/proc/{batch.pid}/task/{batch.pid}/children").read_text().split()
    batch.kill()
    batch.wait(100)
    while any(Path(f"/proc/{child}").exists() for child in children) and time.monotonic() < until:
        time.sleep(0.05)
    assert children
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    done(house.command("deidentify", str(source), str(out)))
    assert all(name.endswith(".dcm") for name in files_below(out))
    assert len(files_below(out)) == 400
    assert [path.name for path in out.iterdir() if path.name.startswith(".")] == []


def test_files_are_told_by_number_and_named_only_in_a_list_that_was_asked_for(
    house: House, tmp_path: Path
) -> None:
    source, listing = scans(tmp_path), tmp_path / "list.tsv"
    (source / f"{PLANTED}.bin").write_bytes(b"\x08\0\x05\0CS" + bytes(30))
    words = ("deidentify", str(source), str(tmp_path / "clean"), "--list", str(listing))
    told = done(house.command(*words), 1)
    assert "not DICOM" in told
    assert "refused" in told
    assert finds_nobody(told.encode())
    lines = [line.split("\t") for line in listing.read_text().splitlines()]
    assert {(line[1], Path(line[2]).name) for line in lines} == {
        ("not DICOM", f"{PLANTED}.txt"),
        ("refused", f"{PLANTED}.bin"),
    }
    assert stat.S_IMODE(listing.stat().st_mode) == 0o600
    for number, _, name, _ in lines:
        assert sorted(path for path in source.rglob("*") if path.is_file())[int(number) - 1] == Path(name)


def test_originals_never_come_to_lie_among_clean_files(house: House, tmp_path: Path) -> None:
    out = tmp_path / "clean"
    done(house.command("deidentify", str(scans(tmp_path)), str(out)))
    user(house)
    for back in (out, out / "back", tmp_path):
        done(house.command("reidentify", str(out), str(back), "--as", "ada", "--purpose", "test"), 1)
    assert len(files_below(out)) == 6


def test_one_file_may_get_the_name_that_was_asked_for(house: House, tmp_path: Path) -> None:
    source, out = cast.save(cast.ct(), tmp_path), tmp_path / "clean.dcm"
    done(house.command("deidentify", str(source), str(out)))
    assert dcmread(out).PatientID.startswith("ANON-")
    done(house.command("deidentify", str(source), str(source)), 1)


def test_a_kept_patient_id_is_no_folder_name(house: House, tmp_path: Path) -> None:
    source, out = cast.save(cast.ct(), tmp_path), tmp_path / "clean"
    done(house.command("deidentify", str(source), str(out), "-t", "(0x0010,0x0020)", "keep"))
    [name] = files_below(out)
    assert dcmread(out / name).PatientID == cast.ADA.id
    assert finds_nobody(name.encode())


def test_promise_6_every_real_file_finds_its_way_back_through_files_and_map(
    house: House, tmp_path: Path
) -> None:
    source, out, back = tmp_path / "scans", tmp_path / "clean", tmp_path / "back"
    source.mkdir()
    for number, path in enumerate(corpus.paths()):
        shutil.copy(path, source / f"{number}-{path.name}")
    recipe = tmp_path / "all.yaml"
    recipe.write_text(
        "extends: basic\nburned-in: accept\nstructured-reports: clean\ndocuments: remove\n", encoding="utf-8"
    )
    plain = tmp_path / "map.csv"
    words = ("deidentify", str(source), str(out), "--recipe", str(recipe), "--map", str(plain), "--plain-map")
    done(house.command(*words), 1)
    rows = list(csv.DictReader(io.StringIO(plain.read_text())))
    assert len(rows) > 100
    user(house)
    done(house.command("reidentify", str(out), str(back), "--as", "ada", "--purpose", "test"))
    by_clean: dict[str, set[bytes]] = {}
    for row in rows:
        original = (source / row["original_file"]).read_bytes()
        by_clean.setdefault(row["clean_file"], set()).add(original)
    assert set(files_below(back)) == set(files_below(out)) == set(by_clean)
    for name, content in files_below(back).items():
        assert content in by_clean[name], name

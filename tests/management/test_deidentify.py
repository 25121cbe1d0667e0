"""`deidentify IN OUT` as a new user would try it, on an empty machine."""

from pathlib import Path

from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit

from proxy.deid import split
from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.reception.test_masked import ultrasound


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "scans" / cast.ADA.name
    folder.mkdir(parents=True)
    for number in (1, 2):
        cast.save(cast.ct(instance=number), folder)
    (folder / "notes.txt").write_text(cast.ADA.name)
    return folder.parent


def test_a_folder_comes_out_clean_and_again_the_same(house: House, tmp_path: Path) -> None:
    scans, out = _folder(tmp_path), tmp_path / "new" / "clean"
    for _ in range(2):
        result = house.command("deidentify", str(scans), str(out))
        assert result.returncode == 0, result.stdout + result.stderr
        files = sorted(path for path in out.rglob("*") if path.is_file())
        assert len(files) == 2
    for path in files:
        image = dcmread(path)
        assert path.parts[-4] == image.PatientID == image.PatientName
        assert path.name == f"{image.SOPInstanceUID}.dcm"
    told = result.stdout + result.stderr + "".join(str(path.relative_to(out)) for path in files)
    written = b"".join(path.read_bytes() for path in files) + told.encode()
    assert not [n for n in cast.NEEDLES if any(form in written for form in cast.spellings(n))]
    assert journey.count(house, "SELECT count(*) FROM vault_seal") == 2


def test_one_bad_file_never_ends_the_batch(house: House, tmp_path: Path) -> None:
    scans, out = _folder(tmp_path), tmp_path / "clean"
    (scans / "a-truncated.dcm").write_bytes(cast.part10(cast.ct(instance=3))[:-100])
    cast.save(cast.ct(cast.StudyPlan(extra={"BurnedInAnnotation": "YES"}), instance=4), scans)
    result = house.command("deidentify", str(scans), str(out))
    assert result.returncode == 1
    assert "held: Burned In Annotation says YES." in result.stdout
    assert "refused: Unreadable" in result.stdout
    assert len([path for path in out.rglob("*") if path.is_file()]) == 2


def test_clean_and_identified_files_never_mix(house: House, tmp_path: Path) -> None:
    scans = _folder(tmp_path)
    for source, target in ((scans, scans), (scans, scans / "clean"), (scans / "x", tmp_path)):
        result = house.command("deidentify", str(source), str(target))
        assert result.returncode == 1
        assert "Traceback" not in result.stderr


def test_the_forms_of_dicom_anonymizer_are_understood(house: House, tmp_path: Path) -> None:
    scans, out = _folder(tmp_path), tmp_path / "clean"
    words = ("-t", "(0x0010, 0x0040)", "keep", "-t", "(0x0010, 0x1030)", "keep", "--keepPrivateTags")
    result = house.command("deidentify", str(scans), str(out), *words)
    assert result.returncode == 0, result.stdout + result.stderr
    images = [dcmread(path) for path in out.rglob("*.dcm")]
    assert {(image.PatientSex, str(image.PatientWeight)) for image in images} == {("F", "71.5")}


def test_an_unknown_recipe_or_project_is_said(house: House, tmp_path: Path) -> None:
    scans = _folder(tmp_path)
    for words in (["--recipe", "nonesuch"], ["--project", "nonesuch"]):
        result = house.command("deidentify", str(scans), str(tmp_path / "clean"), *words)
        assert result.returncode == 1
        assert "nonesuch" in result.stderr


def _superuser(house: House, name: str) -> None:
    made = house.command(
        "createsuperuser",
        "--noinput",
        "--username",
        name,
        "--email",
        "",
        DJANGO_SUPERUSER_PASSWORD="a-long-password-7",
    )
    assert made.returncode == 0, made.stderr


def test_promise_6_whoever_may_gets_back_what_was_there_and_leaves_a_mark(
    house: House, tmp_path: Path
) -> None:
    scans, out, back = _folder(tmp_path), tmp_path / "clean", tmp_path / "back"
    assert house.command("deidentify", str(scans), str(out)).returncode == 0
    _superuser(house, "ada")
    words = ("reidentify", str(out), str(back), "--as", "ada", "--purpose", "a test of the way back")
    result = house.command(*words)
    assert result.returncode == 0, result.stdout + result.stderr
    originals = {split(path.read_bytes()).dataset.tobytes() for path in scans.rglob("*.dcm")}
    assert {split(path.read_bytes()).dataset.tobytes() for path in back.rglob("*.dcm")} == originals
    marks = journey.rows(house, "SELECT purpose FROM audit_entry WHERE action = 'identity.instance-restored'")
    assert marks
    assert {str(mark[0]) for mark in marks} == {"a test of the way back"}


def test_promise_6_a_masked_file_comes_back_in_its_own_transfer_syntax(house: House, tmp_path: Path) -> None:
    scans, out, back = tmp_path / "scans", tmp_path / "clean", tmp_path / "back"
    scans.mkdir()
    image = ultrasound()
    image.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    original = cast.save(image, scans)
    recipe = tmp_path / "masked.yaml"
    recipe.write_text("extends: basic\nburned-in: mask\n")
    assert house.command("deidentify", str(scans), str(out), "--recipe", str(recipe)).returncode == 0
    assert [dcmread(path).file_meta.TransferSyntaxUID for path in out.rglob("*.dcm")] == [
        ExplicitVRLittleEndian
    ]
    _superuser(house, "ada")
    result = house.command("reidentify", str(out), str(back), "--as", "ada", "--purpose", "a recall")
    assert result.returncode == 0, result.stdout + result.stderr
    parts = [split(path.read_bytes()) for path in back.rglob("*.dcm")]
    assert [part.syntax for part in parts] == [JPEGBaseline8Bit]
    assert bytes(parts[0].dataset) == bytes(split(original.read_bytes()).dataset)


def test_a_file_that_was_changed_meanwhile_gets_back_what_fits(house: House, tmp_path: Path) -> None:
    scans, out, back = _folder(tmp_path), tmp_path / "clean", tmp_path / "back"
    assert house.command("deidentify", str(scans), str(out)).returncode == 0
    changed = sorted(out.rglob("*.dcm"))[0]
    image = dcmread(changed)
    image.ImageComments = "seen by the model"
    image.PixelData = bytes(len(image.PixelData))
    image.save_as(changed)
    _superuser(house, "ada")
    result = house.command(
        "reidentify", str(out), str(back), "--as", "ada", "--purpose", "results of the model"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "was changed since we made it" in result.stdout
    again = dcmread(back / changed.relative_to(out))
    assert str(again.PatientName) in {str(dcmread(path).PatientName) for path in scans.rglob("*.dcm")}
    assert (again.ImageComments, again.PixelData[:4]) == ("seen by the model", bytes(4))


def test_promise_9_who_may_not_gets_nothing_and_leaves_a_mark(house: House, tmp_path: Path) -> None:
    scans, out, back = _folder(tmp_path), tmp_path / "clean", tmp_path / "back"
    assert house.command("deidentify", str(scans), str(out)).returncode == 0
    _superuser(house, "ada")
    for words in (["--as", "nobody", "--purpose", "curious"], ["--as", "ada", "--purpose", " "]):
        result = house.command("reidentify", str(out), str(back), *words)
        assert result.returncode == 1
    assert not back.exists()
    assert journey.count(house, "SELECT count(*) FROM audit_entry WHERE action = 'identity.refused'") == 1

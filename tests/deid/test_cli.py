"""`postern-deid IN OUT`: files and folders by command, without Django."""

from pathlib import Path

import pytest
from pydicom import dcmread

from proxy.deid import Lockbox, read_key, restore, split
from proxy.deid.cli import main
from tests import cast


@pytest.fixture
def key(tmp_path: Path) -> Path:
    assert main(["--new-key", "--key-file", str(tmp_path / "key")]) == 0
    return tmp_path / "key"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "Exampleova"
    (folder / "sub").mkdir(parents=True)
    for number in (1, 2):
        (folder / "sub" / f"{number}.dcm").write_bytes(cast.part10(cast.ct(instance=number)))
    (folder / "notes.txt").write_text("Exampleova rang")
    return folder


def clean_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_folder_becomes_a_clean_folder(
    scans: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main([str(scans), str(out), "--key-file", str(key)]) == 0
    said = capsys.readouterr().out
    assert "2 clean" in said and "1 not DICOM" in said
    files = clean_files(out)
    assert len(files) == 2 and len({dcmread(path).PatientID for path in files}) == 1
    for path in files:
        assert not any(needle in str(path.relative_to(out)) for needle in cast.NEEDLES)
        assert not any(needle.encode() in path.read_bytes() for needle in cast.NEEDLES)


def test_twice_gives_the_same_bytes(scans: Path, key: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        main([str(scans), str(tmp_path / name), "--key-file", str(key)])
    one, two = ({p.name: p.read_bytes() for p in clean_files(tmp_path / name)} for name in ("one", "two"))
    assert one == two and len(one) == 2


def test_a_file_becomes_the_file_that_was_named(scans: Path, key: Path, tmp_path: Path) -> None:
    source, target = str(scans / "sub" / "1.dcm"), tmp_path / "clean.dcm"
    assert main([source, str(target), "--key-file", str(key), "-t", "(0x0010, 0x0040)", "keep"]) == 0
    assert dcmread(target).PatientSex == "F"
    before = target.read_bytes()
    assert main([source, str(target), "--key-file", str(key)]) == 1
    assert target.read_bytes() == before


def test_seals_are_kept_where_asked_and_lead_back(scans: Path, key: Path, tmp_path: Path) -> None:
    seals, source = tmp_path / "seals", scans / "sub" / "1.dcm"
    target = tmp_path / "clean.dcm"
    assert main([str(source), str(target), "--key-file", str(key), "--seals", str(seals)]) == 0
    assert not any(b"Exampleova" in path.read_bytes() for path in seals.iterdir())
    clean = split(target.read_bytes())
    seal = Lockbox(seals, read_key(key)).get(dcmread(target).SOPInstanceUID)
    assert restore(bytes(clean.dataset), clean.syntax, seal) == bytes(split(source.read_bytes()).dataset)


def test_one_bad_file_ends_nothing_and_shows_in_the_exit_code(
    scans: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = cast.ct(instance=3)
    held.BurnedInAnnotation = "YES"
    (scans / "Adalberta.dcm").write_bytes(cast.part10(held))
    (scans / "broken.dcm").write_bytes(cast.part10(cast.ct(instance=4))[:700])
    assert main([str(scans), str(tmp_path / "out"), "--key-file", str(key)]) == 1
    said = capsys.readouterr().out
    assert all(f"{count} {kind}" in said for count, kind in ((2, "clean"), (1, "held"), (1, "refused")))
    assert not any(needle in said for needle in cast.NEEDLES)
    assert len(clean_files(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "nobody"], "there is no recipe"),
        (["-t", "PatientNmae", "keep"], "PatientNmae"),
        (["-t", "PatientName", "vanish"], "vanish"),
        (["--dictionary", "/nowhere.json"], "nowhere.json"),
        (["--key-file", "/nowhere"], "key file cannot be read"),
        (["--new-key"], "key file cannot be made"),
    ],
)
def test_a_wrong_call_is_one_sentence_and_writes_nothing(
    words: list[str], said: str, scans: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(scans), str(tmp_path / "out"), "--key-file", str(key), *words]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "target"), [("Nobody", "out"), ("Exampleova", "Exampleova/out"), ("Exampleova", ".")]
)
def test_folders_that_cannot_be_are_refused_without_names(
    source: str, target: str, scans: Path, key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / source), str(tmp_path / target), "--key-file", str(key)]) == 1
    assert capsys.readouterr().err.startswith("postern-deid: IN ")
    assert not (tmp_path / "out").exists() and not (scans / "out").exists()


@pytest.mark.parametrize("words", [[], ["IN", "OUT"], ["IN", "--key-file", "k"], ["--key-file", "k"]])
def test_missing_words_are_a_usage_error(words: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2

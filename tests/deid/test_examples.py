"""Every script of examples/ runs, and does what its first line says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deid.cli import _parser
from proxy.deid.recipe import _KEYS, ACTION_NAMES
from tests import cast

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
TRIED = {
    "allow_list", "birth_year", "dataset", "folder", "from_dicom_anonymizer", "one_file", "other_edition",
    "own_recipe", "research_and_back",
}  # fmt: skip


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "Exampleova.dcm"
    path.parent.mkdir()
    path.write_bytes(cast.part10(cast.ct()))
    return path


def said_by(name: str, *words: object, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *(str(word) for word in words)],
        check=False, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, timeout=150,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert not any(needle in done.stdout + done.stderr for needle in cast.NEEDLES)
    return done.stdout + done.stderr


def after(name: str, scan: Path, *more: object) -> Dataset:
    target = scan.parent.parent / "out.dcm"
    said_by(name, scan, target, scan.parent.parent / "key", *more)
    return dcmread(target)


def clean(ds: Dataset) -> bool:
    return ds.PatientIdentityRemoved == "YES" and not any(needle in str(ds) for needle in cast.NEEDLES)


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == TRIED


def test_one_file(scan: Path) -> None:
    assert clean(after("one_file", scan))
    scan.write_bytes(b"no DICOM")
    said_by("one_file", scan, scan.parent.parent / "other.dcm", scan.parent.parent / "key", code=1)


def test_folder(scan: Path, tmp_path: Path) -> None:
    (scan.parent / "notes.txt").write_text("hello")
    assert "'clean': 1, 'not DICOM': 1" in said_by("folder", scan.parent, tmp_path / "out", tmp_path / "key")
    (file,) = (path for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert clean(dcmread(file))


def test_dataset(scan: Path) -> None:
    assert clean(after("dataset", scan))


def test_birth_year(scan: Path) -> None:
    ds = after("birth_year", scan)
    assert ds.PatientBirthDate == f"{cast.ADA.birth_date[:4]}0101" and ds.PatientName == cast.ADA.name
    assert len(ds) == len(dcmread(scan))


def test_own_recipe(scan: Path, tmp_path: Path) -> None:
    ds = after("own_recipe", scan)
    assert clean(ds) and (ds.InstitutionName, ds.AccessionNumber, ds.PatientSex) == (
        "SITE 07",
        "ACC-00000",
        "F",
    )
    assert ds.DeidentificationMethod == "Postern trial-7 2026c"
    (tmp_path / "wrong.yaml").write_text("extends: basic\nrules:\n  PatientNmae: keep\n")
    words = (scan, tmp_path / "x.dcm", tmp_path / "key", tmp_path / "wrong.yaml")
    assert "wrong.yaml:3" in said_by("own_recipe", *words, code=1)


def test_allow_list(scan: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.json"
    words.write_text(json.dumps({"0008,103E": ["CT AXIAL 3 mm"], "0008,1030": ["CT HEAD"]}))
    ds = after("allow_list", scan, words)
    assert (ds.SeriesDescription, ds.StudyDescription) == ("CT AXIAL 3 mm", "") and clean(ds)


def test_research_and_back(scan: Path, tmp_path: Path) -> None:
    ds = after("research_and_back", scan, tmp_path / "seals")
    assert clean(ds) and ds.PatientWeight == 71.5
    words = (scan, tmp_path / "again.dcm", tmp_path / "key", tmp_path / "seals")
    assert "as it was: True" in said_by("research_and_back", *words)


def test_other_edition(scan: Path) -> None:
    ds = after("other_edition", scan, "2024b")
    assert clean(ds) and ds.DeidentificationMethod.endswith("2024b")


def test_from_dicom_anonymizer(scan: Path, tmp_path: Path) -> None:
    said_by("from_dicom_anonymizer", scan, tmp_path / "out.dcm")
    ds = dcmread(tmp_path / "out.dcm")
    assert ds.PatientBirthDate == f"{cast.ADA.birth_date[:4]}0101" and ds.PatientName == cast.ADA.name


def test_the_recipe_and_the_script_of_the_manual_work(scan: Path, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    recipe = tmp_path / "manual.yaml"
    recipe.write_text(text.split("```yaml\n")[1].split("```")[0])
    after("own_recipe", scan, recipe)
    script = text.split("```python\n")[1].split("```")[0]
    (tmp_path / "scan.dcm").write_bytes(scan.read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, timeout=150
    )
    assert done.returncode == 0 and clean(dcmread(tmp_path / "clean.dcm"))


def test_the_manual_names_every_word_of_the_command_and_every_key_and_action_of_recipes() -> None:
    text = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
    words = [word for action in _parser()._actions for word in action.option_strings if word.startswith("--")]
    assert all(f"`{word}" in text for word in words if word != "--help")
    assert all(f"`{key}`" in text for key in _KEYS)
    assert all(f"`{name}`" in text for name in ACTION_NAMES if "_or_" not in name and "Or" not in name)

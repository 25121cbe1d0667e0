"""The engine as a wheel, installed where there is no Django: it has all it needs, and its command works (W22)."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import pydicom
import pytest
from pydicom.data import get_testdata_file

UV = Path(sysconfig.get_path("scripts")) / "uv"
ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("pydicom", "yaml", "_yaml", "cryptography", "cffi", "_cffi_backend")
SCRIPT = """
import sys
from pathlib import Path
import pydicom
from proxy.deid import Engine, Keyed, deidentify_dataset, load_recipe
assert "venv" in sys.modules["proxy.deid"].__file__, sys.modules["proxy.deid"].__file__
ds = pydicom.dcmread(sys.argv[1])
clean, report = deidentify_dataset(ds, Engine(load_recipe("research")), Keyed(bytes(32)).subject)
assert clean.PatientID.startswith("ANON-") and clean.PatientID != ds.PatientID
clean.save_as(sys.argv[2])
assert not {name.partition(".")[0] for name in sys.modules} & {"django", "numpy", "PIL", "structlog", "rich"}
"""


def run(*words: object, code: int = 0) -> str:
    """From a folder without our sources, in an environment that names none."""
    plain = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [str(word) for word in words],
        check=False, capture_output=True, text=True, env=plain, cwd="/", timeout=150,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--quiet", "--offline", "--no-cache", "--wheel", "--out-dir", target, ROOT)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on comes as links, without network."""
    home = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    site = Path(
        run(home / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    ours = Path(sysconfig.get_path("purelib"))
    for one in ours.iterdir():
        if re.split(r"[.-]", one.name)[0] in NEEDED:
            (site / one.name).symlink_to(one)
    python = home / "bin" / "python"
    run(UV, "pip", "install", "--quiet", "--offline", "--no-cache", "--no-deps", "--python", python, wheel)
    return home / "bin"


@pytest.fixture
def ct() -> Path:
    return Path(str(get_testdata_file("CT_small.dcm")))


def test_the_wheel_holds_the_engine_alone_with_its_tables_recipes_and_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = {name for name in names if not name.endswith("/")}
    rooms = (
        ROOT / "proxy" / "deid",
        ROOT / "proxy" / "codestreams",
    )  # the second is what the first stands on
    ours = {str(path.relative_to(ROOT)) for room in rooms for path in room.rglob("*") if path.is_file()}
    wanted = {name for name in ours if "__pycache__" not in name}
    assert {name for name in files if name.startswith("proxy/")} == wanted
    assert {
        "proxy/deid/py.typed",
        "proxy/deid/recipes/basic.yaml",
        "proxy/deid/tables/iod_types.txt",
    } <= files
    assert {name.rpartition("/")[2] for name in files if "/licenses/" in name} == {"LICENSE", "NOTICE"}


def test_the_wheel_asks_for_no_more_than_it_imports(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    name = next(name for name in archive.namelist() if name.endswith("METADATA"))
    lines = [line.partition(": ") for line in archive.read(name).decode().splitlines()]
    assert ("Requires-Python", ": ", ">=3.11") in lines
    needs = [what for key, _, what in lines if key == "Requires-Dist"]
    always = {re.split(r"[^A-Za-z]", need)[0].lower() for need in needs if "extra" not in need}
    assert always == {"pydicom", "pyyaml"}


def test_the_wheel_and_the_gateway_run_on_the_same_pydicom() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert wanted[0] in (ROOT / "requirements.in").read_text().splitlines()


def test_it_is_the_version_of_the_changelog(wheel: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert wheel.name.startswith(f"postern-{version}-py3-none-any")
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_command_works_where_there_is_no_django(bin_folder: Path, ct: Path, tmp_path: Path) -> None:
    said = run(bin_folder / "postern-deid", ct, tmp_path / "out", "--key-file", tmp_path / "key", "--new-key")
    assert "1 clean" in said
    clean = pydicom.dcmread(next((tmp_path / "out").rglob("*.dcm")))
    assert clean.PatientIdentityRemoved == "YES" and clean.PatientID.startswith("ANON-")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    run(bin_folder / "python", "-c", "import django", code=1)


def test_a_script_works_where_there_is_no_django(bin_folder: Path, ct: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run(bin_folder / "python", "-I", script, ct, tmp_path / "out.dcm")
    assert pydicom.dcmread(tmp_path / "out.dcm").PatientIdentityRemoved == "YES"


def test_the_interpreter_of_the_fresh_environment_is_another(bin_folder: Path) -> None:
    said = run(bin_folder / "python", "-c", "import sys; print(sys.prefix)")
    assert said.strip() != sys.prefix

"""The Debian programs that tests use. One that is missing is a failure, never a skip."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

POSTGRESQL = "/usr/lib/postgresql"


def debian(name: str) -> str:
    """The full path of a program from deploy/apt-test.txt."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(f"The program {name} is not installed here: run make test-deps.", pytrace=False)
    return found


def debian_one_of(names: Sequence[str]) -> str:
    """The first of these that is here: what is one thing has several names."""
    return next((found for name in names if (found := shutil.which(name))), None) or debian(names[0])


def orthanc_plugin(name: str) -> str:
    """Debian's plugins of Orthanc lie in one folder."""
    found = Path("/usr/share/orthanc/plugins") / name
    if not found.is_file():
        pytest.fail(f"Orthanc's plugin {name} is not installed here: run make test-deps.", pytrace=False)
    return str(found)


def postgresql(name: str) -> str:
    """PostgreSQL's servers lie outside PATH on Debian; the newest installed version is taken."""
    versions = sorted(Path(POSTGRESQL).glob(f"*/bin/{name}"), key=lambda file: int(file.parts[-3]))
    return str(versions[-1]) if versions else debian(name)

"""Before anything of Postern is imported: folders of our own, a database of our own, no developer's `.env`.

`POSTERN_TEST_DB=postgresql` runs the same suite on PostgreSQL: the first process starts a cluster, workers
of pytest-xdist find it through the environment they inherit.
"""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import hypothesis
import pytest
from django.db import connections

from tests import cluster, dealing, emptying, midnight, standing_still
from tests.house import House

# A shell in the background ignores Ctrl-C, and whatever we start would inherit that
signal.signal(signal.SIGINT, signal.default_int_handler)

# Neither a busy machine nor the dice of one run says that something is broken
hypothesis.settings.register_profile(
    "postern", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("postern")

standing_still.teach()

LONGEST = 60
"""Of a temporary folder's name: in it lies a socket of tests/warm.py, whose whole path has 107 bytes at most."""


if len(tempfile.gettempdir()) > LONGEST:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

SCRATCH = Path(tempfile.mkdtemp(prefix="postern-tests-"))
SCRATCH.chmod(0o755)  # the PostgreSQL user walks through it
atexit.register(shutil.rmtree, SCRATCH, ignore_errors=True)


def _surroundings() -> dict[str, str]:
    return {
        "ENV_FILE": str(SCRATCH / "none.env"),
        "DATA_DIR": str(SCRATCH / "data"),
        "KEY_DIR": str(SCRATCH / "keys"),
        "BACKUP_DIR": str(SCRATCH / "backups"),
        "TEST_DATABASE_PATH": str(SCRATCH / "test.sqlite3"),
        "TCP_NODELAY": "1",  # DCMTK's and Orthanc's: without it Nagle costs 40 ms an image
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _forget_the_machine() -> None:
    """What the developer has set for an instance of their own is no part of a test, nor is a proxy on the way to it."""
    example = (Path(__file__).parent.parent / ".env.example").read_text(encoding="utf-8")
    for line in example.splitlines():
        name = line.lstrip("# ").split("=")[0]
        if "=" in line and name.isupper():
            os.environ.pop(name, None)
            os.environ.pop(f"{name}_FILE", None)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)


def _choose_database() -> None:
    wanted = os.environ.get("POSTERN_TEST_DB", "sqlite")
    if wanted == "postgresql":
        os.environ.update(cluster.settings(SCRATCH))
    elif wanted != "sqlite":
        raise pytest.UsageError("POSTERN_TEST_DB is sqlite or postgresql.")


def _answer_backwards() -> None:
    """PostgreSQL gives rows that nobody ordered in any order; SQLite in that of their keys, unless it is told."""
    options = connections.settings["default"]["OPTIONS"]
    if "init_command" in options:
        options["init_command"] += " PRAGMA reverse_unordered_selects=ON;"


_forget_the_machine()
os.environ.update(_surroundings())
_choose_database()
django.setup()
_answer_backwards()
emptying.install()


MORE_MARKS = frozenset({"peers", "journey", "django_db"})
MORE_FIXTURES = frozenset({"db", "transactional_db", "new_machine"})


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Mark those as unit tests that ask no database and start nothing: what they say, they say for every database.
    Then deal what was chosen by its marks."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if not marks & MORE_MARKS and not MORE_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("unit")
    yield
    items[:] = dealing.deal(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Workers inherit our environment. With this name in it pytest-django would read the settings of a worker before it
    has folders of its own: all would share ours."""
    del os.environ["DJANGO_SETTINGS_MODULE"]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    midnight.leave_behind()
    anchors = SCRATCH / "keys" / "anchors"
    anchors.unlink(missing_ok=True)  # of a chain that went with another test's database


@pytest.fixture(scope="session")
def migrated() -> Iterator[House]:
    """One that did nothing but migrate its database; to copy."""
    folder = SCRATCH / "migrated"
    folder.mkdir()
    one = House.build(folder, os.environ)
    done = one.command("migrate")
    assert done.returncode == 0, done.stdout + done.stderr
    yield one
    one.close()


@pytest.fixture
def new_machine(tmp_path: Path) -> Iterator[House]:
    """A Postern of one's own: folders, keys, ports, an empty database; its processes end with the test."""
    one = House.build(tmp_path, os.environ)
    yield one
    one.close()


@pytest.fixture
def house(new_machine: House, migrated: House) -> House:
    """The same, with a database that is migrated already."""
    new_machine.take_database_of(migrated)
    return new_machine

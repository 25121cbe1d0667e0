"""Promise 8: what somebody else says about a value never reaches a log."""

import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from proxy.storage.keys import KeysMissing
from proxy.web import logs
from tests.cast import ADA

NEEDLE = ADA.name
ROOT = Path(__file__).resolve().parents[2]
COLLECTED = """
import sys
from proxy.web import logs

logs.set_up("listen")
needle = sys.argv[1]

def begins():
    try:
        yield
    finally:
        raise ValueError(needle)

class Falls:
    def __del__(self):
        raise ValueError(needle)

begun = begins()
next(begun)
"""


@pytest.fixture
def log_file(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """A process of its own as far as logging goes; everything is put back afterwards."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, logging.raiseExceptions)
    ways_out = (sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning)
    levels = {name: logging.getLogger(name).level for name in logs.SILENT}
    settings.DICOM_LOG_DIR, settings.DICOM_LOG_LEVEL = tmp_path, "DEBUG"
    logs.set_up("listen")
    yield tmp_path / "listen.log"
    for handler in list(root.handlers):
        root.removeHandler(handler)
        if handler not in before[0]:
            handler.close()
    for handler in before[0]:
        root.addHandler(handler)
    root.setLevel(before[1])
    logging.raiseExceptions = before[2]
    sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning = ways_out
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_our_own_sentences_stand_as_they_are(log_file: Path) -> None:
    logging.getLogger("proxy.reception").info("%s held: %s", "ANON-ABC", "burned-in")
    assert "INFO listen proxy.reception: ANON-ABC held: burned-in" in log_file.read_text()


def test_of_a_foreign_message_only_the_place_stays(log_file: Path) -> None:
    logging.getLogger("somebody").warning("bad name %s", NEEDLE)
    logging.getLogger("django.request").error(
        "Internal Server Error: /x?q=%s", NEEDLE, extra={"status_code": 500}
    )
    text = log_file.read_text()
    assert NEEDLE not in text
    assert "test_logs:" in text
    assert "status 500" in text


@pytest.mark.parametrize("name", logs.SILENT)
def test_libraries_that_quote_values_are_silent(log_file: Path, name: str) -> None:
    logging.getLogger(name).critical("%s", NEEDLE)
    assert not log_file.exists() or NEEDLE not in log_file.read_text()


def test_a_traceback_has_types_and_places_but_no_values(log_file: Path) -> None:
    try:
        try:
            int(NEEDLE)
        except ValueError as error:
            raise RuntimeError(NEEDLE) from error
    except RuntimeError:
        logging.getLogger("proxy.reception").exception("receiving failed")
    text = log_file.read_text()
    assert NEEDLE not in text
    assert "RuntimeError at test_logs.py" in text
    assert "because of ValueError" in text


def test_our_own_exceptions_keep_their_sentence(log_file: Path) -> None:
    logging.getLogger("proxy.vault").error("refused: %s", KeysMissing("The key file index.key is gone."))
    assert "The key file index.key is gone." in log_file.read_text()


def test_a_foreign_exception_as_an_argument_is_described(log_file: Path) -> None:
    logging.getLogger("proxy.vault").error("refused: %s", ValueError(NEEDLE))
    assert "refused: ValueError" in log_file.read_text()
    assert NEEDLE not in log_file.read_text()


def test_a_warning_is_not_quoted(log_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs._warned(NEEDLE, UserWarning, "/somewhere/values.py", 7)
    assert "UserWarning at values.py:7" in log_file.read_text()
    assert NEEDLE not in log_file.read_text() + capsys.readouterr().err


def test_what_nobody_caught_is_described(log_file: Path) -> None:
    thread = threading.Thread(target=int, args=(NEEDLE,))
    thread.start()
    thread.join()
    text = log_file.read_text()
    assert "Ended by ValueError" in text
    assert NEEDLE not in text


@pytest.mark.parametrize("falls", ["del begun", "fallen = Falls(); del fallen"])
def test_what_fails_while_it_is_collected_is_described(tmp_path: Path, falls: str) -> None:
    """Nobody can catch it, and Python would print it as it is."""
    done = subprocess.run(
        [sys.executable, "-c", f"{COLLECTED}\n{falls}", NEEDLE], cwd=ROOT, text=True, capture_output=True,
        env={**os.environ, "DICOM_LOG_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}, check=True,
    )  # fmt: skip
    assert NEEDLE not in done.stderr
    assert "ERROR proxy: Nobody could catch ValueError at <string>:" in done.stderr
    log = (tmp_path / "listen.log").read_text()
    assert "Nobody could catch ValueError" in log and NEEDLE not in log


def test_a_short_command_shares_a_file_and_keeps_the_console_quiet(
    log_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.set_up("configure")
    logging.getLogger("proxy").info("something")
    assert (log_file.parent / "commands.log").read_text().count("something") == 1
    assert capsys.readouterr().err == ""

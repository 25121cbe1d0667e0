"""Processes that are started warm are like any other: they end as they should, and leave nobody behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import warm
from tests.house import ROOT, House

pytestmark = pytest.mark.peers  # starts processes

BROKEN_OFF = """
import os, sys
from pathlib import Path
from tests import warm
said = Path(sys.argv[1])
started = warm.start(("work",), Path.cwd(), dict(os.environ), said, said)
print(started.pid, flush=True)
sys.stdin.read()
"""


def test_a_command_says_what_it_says_and_ends_as_it_ends(house: House) -> None:
    done = house.command("verify_audit")
    assert done.returncode == 0 and done.stdout and not done.stderr
    done = house.command("verify_audit", "--nonsense")
    assert done.returncode == 2 and "unrecognized arguments" in done.stderr


def test_who_starts_them_takes_them_along(house: House, tmp_path: Path) -> None:
    said = tmp_path / "work.out"
    said.touch()
    starter = subprocess.Popen(
        [sys.executable, "-c", BROKEN_OFF, str(said)],
        cwd=ROOT,
        env=house.env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    until = time.monotonic() + 60
    while "working with" not in said.read_text() and time.monotonic() < until:
        time.sleep(0.1)
    starter.kill()
    starter.communicate()
    while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
        time.sleep(0.1)
    assert not Path(f"/proc/{pid}").exists()


def test_a_signal_ends_one_and_its_code_is_told(house: House) -> None:
    work = house.start("work")
    assert isinstance(work, warm.Started) and work.poll() is None
    os.kill(work.pid, signal.SIGKILL)
    assert work.wait(100) == -signal.SIGKILL
    work.terminate()  # as to any process that has ended

"""`serve` and `runserver` as real processes: what they start answers, comes back, and ends with them."""

import os
import re
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.house import House
from tests.warm import Started

pytestmark = pytest.mark.journey


def until(true: Callable[[], object], seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


def answers(port: int, path: str = "/health") -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def processes(house: House, command: str) -> list[int]:
    """Those of this house: its folder stands in their environment, or it has started them warm."""
    found = [one.pid for one in house.running if isinstance(one, Started) and one.is_running(command)]
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and _is_ours(entry, house, command):
            found.append(int(entry.name))
    return found


def _is_ours(entry: Path, house: House, command: str) -> bool:
    try:
        words = (entry / "cmdline").read_bytes().split(b"\0")
        environ = (entry / "environ").read_bytes()
    except OSError:
        return False
    return command.encode() in words[2:3] and str(house.data).encode() in environ


def words(pid: int) -> list[bytes]:
    """Of a process that is being started they are, for a moment, those of the one that starts it."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_serve_brings_up_what_it_names_and_takes_it_down(new_machine: House) -> None:
    house = new_machine
    process = house.start("serve")
    until(lambda: answers(house.api_port) and is_open(house.dicom_port) and processes(house, "work"))
    assert answers(house.api_port, "/static/admin/css/base.css")
    output = (house.folder / "serve-0.out").read_text()
    assert re.search(r"Log in as admin with \S{12,}", output)
    assert "Back them up apart" in output

    web = processes(house, "web")
    listen = processes(house, "listen")
    for pid in listen:
        os.kill(pid, signal.SIGKILL)
    until(lambda: is_open(house.dicom_port) and set(processes(house, "listen")).isdisjoint(listen))
    assert processes(house, "web") == web

    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=150) == 0
    assert not any(processes(house, name) for name in ("web", "listen", "work"))
    password = re.search(r"admin with (\S+)", output)
    assert password is not None
    for log in Path(house.env["DATA_DIR"], "logs").iterdir():
        assert password[1] not in log.read_text()


def test_a_killed_serve_takes_everything_with_it(house: House) -> None:
    process = house.start("serve")
    until(lambda: answers(house.api_port) and is_open(house.dicom_port))
    process.kill()
    process.wait()
    until(lambda: not any(processes(house, name) for name in ("web", "listen", "work")))


@pytest.mark.parametrize("reload", [True, False])
def test_runserver_starts_one_listener_beside_itself(house: House, reload: bool) -> None:
    process = house.start("runserver", f"127.0.0.1:{house.api_port}", *([] if reload else ["--noreload"]))
    until(lambda: answers(house.api_port) and is_open(house.dicom_port) and processes(house, "work"))
    until(lambda: sum(b"--served" not in words(pid) for pid in processes(house, "listen")) == 1)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=150)
    until(lambda: not any(processes(house, name) for name in ("listen", "work", "serve", "runserver")))


def test_runserver_alone_if_asked(house: House) -> None:
    house.start("runserver", f"127.0.0.1:{house.api_port}", "--noreload", DICOM_AUTO_START="False")
    until(lambda: answers(house.api_port))
    assert not processes(house, "serve")
    assert not is_open(house.dicom_port)

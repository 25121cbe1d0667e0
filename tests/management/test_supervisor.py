"""What ends is started again, what is stopped is stopped in order, and nobody outlives the supervisor."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.management.supervisor import Child, Service, ending, pause_after, supervise

SLEEPER = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def test_pauses_double_up_to_a_limit() -> None:
    assert [pause_after(n) for n in (1, 2, 3, 4, 5, 6, 60)] == [1, 2, 4, 8, 16, 30, 30]


def test_an_ending_is_named() -> None:
    assert ending(3) == "exit status 3"
    assert ending(-9) == "signal SIGKILL"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_ends_early_rests_before_it_is_started_again() -> None:
    clock = Clock()
    child = Child(Service("failing", (sys.executable, "-c", "raise SystemExit(3)")), clock)
    child.look()
    assert child.process is not None
    child.process.wait()
    child.look()
    assert child.process is None
    assert child.next_at == clock.now + 1
    clock.now += 1
    child.look()
    assert child.process is not None
    child.process.wait()
    child.look()
    assert (child.early_ends, child.next_at) == (2, clock.now + 2)


def test_after_a_good_life_the_pauses_begin_anew() -> None:
    clock = Clock()
    child = Child(Service("worker", (sys.executable, "-c", "")), clock)
    child.look()
    assert child.process is not None
    child.process.wait()
    child.early_ends = 5
    clock.now += 61
    child.look()
    assert (child.early_ends, child.next_at) == (1, clock.now + 1)


def test_a_killed_service_comes_back() -> None:
    child = Child(Service("sleeper", SLEEPER))
    child.start()
    assert child.process is not None
    first = child.process.pid
    os.kill(first, signal.SIGKILL)

    def is_back() -> bool:
        child.look()
        return child.process is not None and child.process.pid != first

    until(is_back)
    child.stop(5)


def test_services_are_stopped_in_the_order_given(tmp_path: Path) -> None:
    said = tmp_path / "said"
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(said)!r}, 'a').write(sys.argv[1] + ' ended\\n'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"open({str(said)!r}, 'a').write('up\\n')\n"
        "time.sleep(60)\n"
    )
    services = [Service(name, (sys.executable, "-c", script, name)) for name in ("listen", "web", "work")]
    supervise(services, lambda seconds: said.exists() and said.read_text().count("up") == 3, 5)
    assert said.read_text().split("up\n")[-1].splitlines() == ["listen ended", "web ended", "work ended"]


def test_what_does_not_stop_in_time_is_killed(capfd: pytest.CaptureFixture[str]) -> None:
    child = Child(Service("stubborn", STUBBORN))
    child.start()
    process = child.process
    assert process is not None
    until(lambda: "deaf" in capfd.readouterr().out)
    child.stop(0.3)
    assert process.returncode == -signal.SIGKILL


def test_no_child_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    number = tmp_path / "pid"
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from proxy.management.supervisor import Child, Service\n"
        f"child = Child(Service('sleeper', {SLEEPER!r}))\n"
        "child.start()\n"
        f"Path({str(number)!r}).write_text(str(child.process.pid))\n"
        "time.sleep(60)\n"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", script])
    until(lambda: number.exists() and number.read_text())
    supervisor.kill()
    supervisor.wait()
    until(lambda: not _lives(int(number.read_text())))


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_service_that_can_renews_its_settings_when_asked(tmp_path: Path) -> None:
    """The others would die of a SIGHUP that they do not expect."""
    said = tmp_path / "said"
    script = (
        "import signal, sys, time; from pathlib import Path; said = Path(sys.argv[1]);"
        "signal.signal(signal.SIGHUP, lambda *_: said.write_text('hup')); said.write_text('up'); time.sleep(60)"
    )
    renewing = Service("renewing", (sys.executable, "-c", script, str(said)), renews=True)
    asked = iter([False, True])
    looks: list[float] = []

    def wait(seconds: float) -> bool:
        looks.append(seconds)
        until(lambda: said.exists() and said.read_text() == ("up" if len(looks) == 1 else "hup"))
        return len(looks) == 2

    supervise([renewing, Service("other", SLEEPER)], wait, 5, lambda: next(asked))
    assert said.read_text() == "hup"


def test_who_is_told_to_stop_is_told_once(tmp_path: Path) -> None:
    """A second SIGTERM would end it in the middle of what it may finish."""
    said = tmp_path / "said"
    script = (
        "import signal, sys, time; from pathlib import Path; said = Path(sys.argv[1]);"
        "signal.signal(signal.SIGTERM, lambda *_: said.write_text(said.read_text() + 'told '));"
        "said.write_text('up ')\n"
        "while 'told' not in said.read_text(): time.sleep(0.05)\n"
        "time.sleep(0.5)"  # for a second one to come
    )
    child = Child(Service("finishing", (sys.executable, "-c", script, str(said))))
    child.start()
    until(lambda: said.exists() and said.read_text() == "up ")
    child.tell_to_stop()
    until(lambda: said.read_text() == "up told ")
    child.stop(60)
    assert said.read_text() == "up told "

"""Start a few processes, start again what ends, stop all of them in order.

A process that ends is started again after a pause that doubles while it keeps ending early. No child outlives
us: the kernel sends each of them SIGTERM when we are gone, however we went.
"""

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from config.reading import surroundings

log = logging.getLogger(__name__)

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"
PR_SET_PDEATHSIG = 1
FIRST_PAUSE, LONGEST_PAUSE, GOOD_LIFE = 1.0, 30.0, 60.0
LOOK_EVERY = 0.2


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    command: tuple[str, ...]
    renews: bool = False  # SIGHUP makes it read its settings anew

    @classmethod
    def managed(cls, name: str, *words: str) -> "Service":
        """A management command of ours."""
        return cls(name, (sys.executable, str(MANAGE), name, *words), renews=name == "listen")


def pause_after(early_ends: int) -> float:
    """Seconds to wait before starting again what has ended early so many times in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** max(0, early_ends - 1))


class Child:
    """One service: its process now, and when it may be started again."""

    def __init__(self, service: Service, clock: Callable[[], float] = time.monotonic) -> None:
        self.service = service
        self.clock = clock
        self.process: subprocess.Popen[bytes] | None = None
        self.early_ends = 0
        self.began_at = self.next_at = clock()
        self._told_to_stop = False

    def look(self) -> None:
        """Notice that it has ended; start it when its time has come."""
        if self.process is not None and self.process.poll() is not None:
            self._note_end(self.process.returncode)
        if self.process is None and self.clock() >= self.next_at:
            self.start()

    def start(self) -> None:
        self.launch(self.service.command)

    def launch(self, command: Sequence[str], inherited: Sequence[int] = ()) -> None:
        """Start its process with this command; it keeps the inherited descriptors open."""
        parent = os.getpid()
        self.began_at, self._told_to_stop = self.clock(), False
        self.process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            stdin=subprocess.DEVNULL,
            env=surroundings(),
            pass_fds=inherited,
            process_group=0,  # Ctrl-C reaches only us, and we stop them in order
            preexec_fn=lambda: _end_with(parent),  # noqa: PLW1509 - we have no threads
        )
        log.info("%s started as process %s", self.service.name, self.process.pid)

    def renew(self) -> None:
        if self.service.renews and self.process is not None:
            self.process.send_signal(signal.SIGHUP)

    def tell_to_stop(self) -> None:
        """Once: a second SIGTERM ends a process of ours at once."""
        if self.process is not None and not self._told_to_stop:
            self.process.terminate()
            self._told_to_stop = True

    def stop(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after the grace time."""
        if self.process is None:
            return
        self.tell_to_stop()
        try:
            self.process.wait(grace)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop within %s seconds and was killed", self.service.name, grace)
            self.process.kill()
            self.process.wait()
        self.process = None

    def _note_end(self, code: int) -> None:
        lived_well = self.clock() - self.began_at >= GOOD_LIFE
        self.early_ends = 1 if lived_well else self.early_ends + 1
        pause = pause_after(self.early_ends)
        self.next_at, self.process = self.clock() + pause, None
        log.error("%s ended with %s; starting it again in %.0f s", self.service.name, ending(code), pause)


def ending(code: int) -> str:
    return f"exit status {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def supervise(
    services: Sequence[Service],
    wait: Callable[[float], bool],
    grace: float,
    renewal_asked: Callable[[], bool] = lambda: False,
) -> None:
    """Keep the services running until `wait` says stop; then stop them in the order given."""
    children = [Child(service) for service in services]
    try:
        while True:
            renewal = renewal_asked()
            for child in children:
                child.look()
                if renewal:
                    child.renew()
            if wait(LOOK_EVERY):
                return
    finally:
        for child in children:
            child.stop(grace)


def _end_with(parent: int) -> None:
    """Runs in the child before its program: SIGTERM at the parent's death, and none if it is dead already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)

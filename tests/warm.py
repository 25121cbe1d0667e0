"""Run a management command in a process of its own that has the libraries loaded already.

Most of a short command's time goes into loading numpy, pydicom, pynetdicom and Django, and tests run hundreds of them.
They are forked from one process that has loaded those and nothing else: no settings, none of our rooms that know
Django. What is found by its command line, or measured, is started as a user would start it.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory

LOADED = ("numpy", "pydicom.pixels", "pynetdicom", "requests", "cryptography.x509", "yaml", "structlog")
OURS = ("proxy.deid", "proxy.network.scu", "proxy.network.reactor", "proxy.storage.files")
DJANGO = (
    "django.db.models",
    "django.core.management",
    "django.template.loader",
    "django.http",
    "django.forms",
)

_nursery = multiprocessing.get_context("forkserver")
_nursery.set_forkserver_preload([*LOADED, *OURS, *DJANGO])


class Started:
    """One that goes on beside the test; what `subprocess.Popen` would do, as far as tests ask for it."""

    def __init__(self, words: tuple[str, ...], process: BaseProcess) -> None:
        self.args, self._process = words, process
        assert process.pid is not None
        self.pid = process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def is_running(self, command: str) -> bool:
        return self.args[0] == command and self.poll() is None

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[str] | Started


def start(
    words: tuple[str, ...], folder: Path, env: Mapping[str, str], stdout: Path, stderr: Path
) -> Started:
    """As `subprocess.Popen([python, "manage.py", *words])`."""
    process = _nursery.Process(
        target=_run, args=(words, str(folder), dict(env), str(stdout), str(stderr)), daemon=False
    )
    process.start()
    return Started(words, process)


def command(
    words: tuple[str, ...], folder: Path, env: Mapping[str, str], seconds: float
) -> "subprocess.CompletedProcess[str]":
    """As `subprocess.run([python, "manage.py", *words], capture_output=True, text=True)`; raises TimeoutExpired."""
    with TemporaryDirectory() as scratch:
        said = [Path(scratch, name) for name in ("stdout", "stderr")]
        process = start(words, folder, env, *said)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        texts = [one.read_text(encoding="utf-8", errors="replace") for one in said]
    return subprocess.CompletedProcess(words, code, *texts)


def _run(words: tuple[str, ...], folder: str, env: dict[str, str], *said: str) -> None:
    threading.Thread(target=_end_with_the_test, daemon=True).start()
    for number, path in enumerate(said, start=1):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    sys.argv = ["manage.py", *words]
    sys.path[0] = folder
    import manage

    manage.main()


def _end_with_the_test() -> None:
    """One that is broken off leaves nothing behind."""
    starter = multiprocessing.parent_process()
    assert starter is not None
    starter.join()
    os.kill(os.getpid(), signal.SIGTERM)

"""A whole instance of Postern for a test that needs real processes: own folders, keys, ports and database."""

import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests import warm
from tests.cluster import ask, free_port
from tests.warm import Process

ROOT = Path(__file__).resolve().parent.parent
OFTEN = {"listen", "work", "link"}
"""Journeys kill and start these again and again."""


@dataclass(frozen=True)
class House:
    folder: Path
    env: dict[str, str]
    dicom_port: int
    api_port: int
    running: list[Process] = field(default_factory=list)
    cold: bool = False
    """Start everything as a user would: for what is measured."""

    @classmethod
    def build(cls, folder: Path, environ: Mapping[str, str], cold: bool = False) -> "House":
        dicom_port, api_port = free_port(), free_port()
        own = {
            "DATA_DIR": str(folder / "data"),
            "KEY_DIR": str(folder / "keys"),
            "BACKUP_DIR": str(folder / "backups"),
            "DICOM_PORT": str(dicom_port),
            "DICOM_BIND_ADDRESS": "127.0.0.1",
            "API_PORT": str(api_port),
            "API_BIND_ADDRESS": "127.0.0.1",
        }
        if not cold:
            own["DICOM_WORKERS"] = "1"  # where several matter, a test says so
        env = {**environ, **own, **_database(environ)}
        return cls(folder, env, dicom_port, api_port, cold=cold)

    @property
    def data(self) -> Path:
        return Path(self.env["DATA_DIR"])

    @property
    def keys(self) -> Path:
        return Path(self.env["KEY_DIR"])

    def command(self, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run a management command to its end; its exit code is the test's to judge."""
        return warm.command(words, ROOT, self.env | settings, seconds=250)

    def start(self, *words: str, **settings: str) -> Process:
        """Start a management command and leave it running; `close` ends it."""
        output = self.folder / f"{words[0]}-{len(self.running)}.out"
        begin = warm.start if words[0] in OFTEN and not self.cold else _start
        process = begin(words, ROOT, self.env | settings, output, output)
        self.running.append(process)
        return process

    def empty_database(self, template: str = "template1") -> None:
        """As on a new machine; SQLite's lies in `data`."""
        if self.env.get("DATABASE_ENGINE") == "postgresql":
            ask(self.env, f"DROP DATABASE {self.env['POSTGRES_DB']} WITH (FORCE)")
            ask(self.env, f"CREATE DATABASE {self.env['POSTGRES_DB']} TEMPLATE {template}")

    def take_database_of(self, other: "House") -> None:
        """A copy of the database of one that nobody works in, before anything of ours has run."""
        if self.env.get("DATABASE_ENGINE") == "postgresql":
            self.empty_database(template=other.env["POSTGRES_DB"])
            return
        self.data.mkdir(mode=0o700)
        shutil.copytree(other.data / "database", self.data / "database")

    def close(self) -> None:
        for process in reversed(self.running):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.running:
            _end(process)
        _drop(self.env)


def _start(
    words: tuple[str, ...], folder: Path, env: dict[str, str], output: Path, _: Path
) -> "subprocess.Popen[str]":
    with output.open("w", encoding="utf-8") as file:
        command = [sys.executable, "manage.py", *words]
        return subprocess.Popen(
            command, cwd=folder, env=env, stdout=file, stderr=subprocess.STDOUT, text=True
        )


def _end(process: Process) -> None:
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(timeout=10)


def _database(environ: Mapping[str, str]) -> dict[str, str]:
    """On PostgreSQL a database of its own in the suite's cluster."""
    if environ.get("DATABASE_ENGINE") != "postgresql":
        return {}
    name = f"house_{secrets.token_hex(6)}"
    ask(environ, f"CREATE DATABASE {name}")
    return {"POSTGRES_DB": name}


def _drop(env: Mapping[str, str]) -> None:
    if env.get("DATABASE_ENGINE") == "postgresql":
        ask(env, f"DROP DATABASE IF EXISTS {env['POSTGRES_DB']} WITH (FORCE)")

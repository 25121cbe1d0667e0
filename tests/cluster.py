"""A PostgreSQL cluster for one run of the suite: own folder, free port, gone with the process that began it.

`initdb` refuses root, so root starts it as the user `postgres`.
"""

import atexit
import ctypes
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg2

from tests import ports, tools

STARTED = "POSTERN_TEST_CLUSTER"
PR_SET_PDEATHSIG = 1


def settings(scratch: Path, *, durable: bool = False) -> dict[str, str]:
    """The settings that lead to the cluster; starts it unless a parent process did.

    PostgreSQL promises durability itself and it is not under test, so nothing is synced unless time is measured."""
    port = os.environ.get(STARTED) or str(_start(scratch / "cluster", "on" if durable else "off"))
    return {
        STARTED: port,
        "DATABASE_ENGINE": "postgresql",
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": port,
        "POSTGRES_USER": "postgres",
        "POSTGRES_DB": "postgres",
    }


def free_port() -> int:
    return ports.take()


def ask(environ: Mapping[str, str], sql: str) -> None:
    """One statement to the cluster itself, outside any transaction."""
    link = psycopg2.connect(
        host=environ["POSTGRES_HOST"],
        port=environ["POSTGRES_PORT"],
        user=environ["POSTGRES_USER"],
        dbname="postgres",
    )
    link.autocommit = True
    with link.cursor() as cursor:
        cursor.execute(sql)
    link.close()


def _start(folder: Path, fsync: str) -> int:
    folder.mkdir(mode=0o700)
    user = _user(folder)
    initdb = [tools.postgresql("initdb"), "-D", str(folder), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
    subprocess.run(
        [*initdb, "--no-locale", "--no-sync"], check=True, stdout=subprocess.DEVNULL, cwd="/", **user
    )
    port = free_port()
    command = _command(folder, port, fsync)
    server = subprocess.Popen(command, cwd="/", preexec_fn=_die_with_parent, **user)  # noqa: PLW1509 - no thread yet
    atexit.register(_stop, server)
    _await(server, port)
    return port


def _command(folder: Path, port: int, fsync: str) -> list[str]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",  # nobody asks by one, and its path has a hundred bytes at most
        "fsync": fsync,
        "max_connections": 200,
        "log_min_messages": "fatal",
    }
    return [tools.postgresql("postgres"), "-D", str(folder), *(f"--{k}={v}" for k, v in options.items())]


def _user(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    try:
        account = pwd.getpwnam("postgres")
    except KeyError:
        raise SystemExit("There is no user postgres here: run make test-deps.") from None
    os.chown(folder, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def _await(server: "subprocess.Popen[bytes]", port: int) -> None:
    end = time.monotonic() + 120
    ready = [tools.postgresql("pg_isready"), "-q", "-U", "postgres", "-h", "127.0.0.1", "-p", str(port)]
    while subprocess.run(ready, check=False).returncode != 0:
        if server.poll() is not None or time.monotonic() > end:
            raise SystemExit("PostgreSQL did not start for the tests.")
        time.sleep(0.05)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    server.send_signal(signal.SIGINT)
    server.wait(timeout=100)

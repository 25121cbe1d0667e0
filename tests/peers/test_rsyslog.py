"""A real rsyslog takes what we send over TLS, knows who we are, and has every message whole and in order."""

import base64
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pytest_django import Settings

from proxy.audit import sending, syslog
from proxy.audit.models import Forwarding
from proxy.audit.record import record
from proxy.audit.syslog import NotSent, Server
from proxy.network.tls import TlsFiles
from proxy.storage import keys as key_files
from tests import tools
from tests.cluster import free_port
from tests.network.certificates import Authority

pytestmark = pytest.mark.peers
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONFIG = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="{authority}" defaultNetstreamDriverCertFile="{certificate}"
  defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="{mode}")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="whole" type="string" string="%syslogfacility%.%syslogseverity% %app-name% %msgid% %msg%\\n")
action(type="omfile" file="{log}" template="whole")
"""


@contextmanager
def rsyslog(folder: Path, files: TlsFiles, mode: str, port: int = 0) -> Iterator[tuple[int, Path]]:
    program = tools.debian("rsyslogd")
    port, log = port or free_port(), folder / "messages"
    config = folder / "rsyslog.conf"
    config.write_text(
        CONFIG.format(
            folder=folder,
            authority=files.authorities,
            certificate=files.certificate,
            key=files.key,
            mode=mode,
            port=port,
            log=log,
        )
    )
    server = subprocess.Popen(
        [program, "-n", "-f", str(config), "-i", str(folder / "pid")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port, log
    finally:
        server.terminate()
        server.wait(20)


def send(to: Server, frames: list[bytes]) -> None:
    """As soon as it listens."""
    end = time.monotonic() + 20
    while True:
        try:
            syslog.send(to, frames)
        except NotSent as trouble:
            if "cannot be reached" not in str(trouble) or time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


def lines(log: Path, count: int) -> list[str]:
    end = time.monotonic() + 20
    while not log.exists() or len(found := log.read_text(encoding="utf-8").splitlines()) < count:
        assert time.monotonic() < end, "not all messages arrived"
        time.sleep(0.05)
    return found


def test_it_takes_what_we_send_and_knows_us(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    mine = authority.issue("postern")
    messages = [f"<AuditMessage n='{n}'>{'é' * 2000}</AuditMessage>" for n in range(300)]
    frames = [syslog.frame(one.encode(), NOW, "here", "postern", "1") for one in messages]
    with rsyslog(tmp_path, authority.issue("syslog"), "x509/certvalid") as (port, log):
        to = Server("127.0.0.1", port, str(authority.file), str(mine.certificate), str(mine.key))
        send(to, frames)
        found = lines(log, 300)
    assert [line.split(" ", 3)[3].strip().removeprefix("\ufeff") for line in found] == messages
    assert {line.rsplit(" <", 1)[0].split(" ", 3)[0] for line in found} == {"10.5"}
    assert all(" postern DICOM+RFC3881 " in line for line in found)


def test_without_our_certificate_it_takes_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    mine = authority.issue("postern")
    with rsyslog(tmp_path, authority.issue("syslog"), "x509/certvalid") as (port, log):
        frames = [syslog.frame(b"<one/>", NOW, "here", "postern", "1")]
        send(Server("127.0.0.1", port, str(authority.file), str(mine.certificate), str(mine.key)), frames)
        lines(log, 1)
        with pytest.raises(NotSent):
            syslog.send(Server("127.0.0.1", port, str(authority.file)), frames)
        time.sleep(0.5)
        assert len(lines(log, 1)) == 1


ENTRIES = 60


@pytest.mark.django_db
def test_what_is_sent_over_restarts_arrives_whole_and_under_its_number(
    tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes after some batches and is away for a while: all entries are there, in their order, those that came twice
    under the same number and MAC."""
    settings.KEY_DIR = tmp_path / "keys"
    key_files.ensure(settings.KEY_DIR)
    authority = Authority(tmp_path / "authority")
    mine, port = authority.issue("postern"), free_port()
    settings.AUDIT_SYSLOG = f"127.0.0.1:{port}"
    settings.AUDIT_SYSLOG_AUTHORITIES = str(authority.file)
    settings.AUDIT_SYSLOG_CERTIFICATE, settings.AUDIT_SYSLOG_KEY = str(mine.certificate), str(mine.key)
    monkeypatch.setattr(sending, "AT_ONCE", 10)
    macs = [record("identity.viewed", actor="Ädä", subject=f"ANON-{n}").mac for n in range(ENTRIES)]
    files, now = authority.issue("syslog"), NOW
    for some in (2, 0, 1, 99):
        if some:
            with rsyslog(tmp_path, files, "x509/certvalid", port) as (_, log):
                now = _sent(some, now)
                lines(log, _up_to())
        else:
            assert sending.look(now) == 0, "nobody is there"
    assert _up_to() == ENTRIES
    found = lines(tmp_path / "messages", ENTRIES)
    subjects = [line.split("ParticipantObjectName>")[1].split("<")[0] for line in found]
    assert list(dict.fromkeys(subjects)) == [f"ANON-{n}" for n in range(ENTRIES)]
    assert all("Ädä" in line for line in found)
    said = [base64.b64decode(re.findall('type="mac" value="([^"]+)"', line)[0]).decode() for line in found]
    assert list(dict.fromkeys(said)) == macs


def _sent(batches: int, now: datetime) -> datetime:
    """So many, or all; until when the queue rested."""
    end, until = time.monotonic() + 30, _up_to() + 10 * batches
    while _up_to() < min(until, ENTRIES):
        assert time.monotonic() < end, Forwarding.objects.get().reason
        now += sending.PAUSE_MAX + timedelta(seconds=1)
        sending.look(now, lambda: _up_to() < until)
        time.sleep(0.1)
    return now + sending.PAUSE_MAX


def _up_to() -> int:
    return Forwarding.objects.values_list("up_to", flat=True).first() or 0

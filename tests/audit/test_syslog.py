"""Entries reach a syslog server over TLS in their frames, each at least once, in order, whatever the server does."""

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from proxy.audit import sending, syslog
from proxy.audit.leaving import let_go
from proxy.audit.models import Entry, Forwarding
from proxy.audit.record import record
from proxy.audit.syslog import NotSent, Server
from proxy.management.doctor import books
from tests.cluster import free_port
from tests.network.certificates import Authority

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def a_short_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "A_MOMENT", 0.3)


@dataclass
class Collector:
    """A server of the test. `fault`: "cut" hangs up in the middle, "reset" does it rudely, "silent" reads nothing."""

    port: int = 0
    fault: str = ""
    got: list[bytes] = field(default_factory=list)
    peers: list[bool] = field(default_factory=list)

    @property
    def messages(self) -> list[bytes]:
        return [one for session in self.got for one in unframed(session)]


def unframed(data: bytes) -> Iterator[bytes]:
    """RFC 5425: MSG-LEN SP SYSLOG-MSG. What was cut off is no message."""
    while data:
        length, _, rest = data.partition(b" ")
        if not length.isdigit() or len(rest) < int(length):
            return
        yield rest[: int(length)]
        data = rest[int(length) :]


@contextmanager
def collector(authority: Authority, *, mutual: bool = False, fault: str = "") -> Iterator[Collector]:
    files = authority.issue("syslog")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(files.certificate), files.key)
    if mutual:
        context.load_verify_locations(authority.file)
        context.verify_mode = ssl.CERT_REQUIRED
    facts, stop = Collector(fault=fault), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        facts.port = listening.getsockname()[1]
        listening.settimeout(0.1)
        thread = threading.Thread(target=_serve, args=(listening, context, facts, stop))
        thread.start()
        try:
            yield facts
        finally:
            stop.set()
            thread.join(10)


def _serve(
    listening: socket.socket, context: ssl.SSLContext, facts: Collector, stop: threading.Event
) -> None:
    while not stop.is_set():
        try:
            plain, _ = listening.accept()
        except TimeoutError:
            continue
        plain.settimeout(5)
        try:
            _session(plain, context, facts, stop)
        except (OSError, ssl.SSLError):
            plain.close()


def _session(plain: socket.socket, context: ssl.SSLContext, facts: Collector, stop: threading.Event) -> None:
    if facts.fault == "silent":
        stop.wait(5)
        plain.close()
        return
    with context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False) as line:
        facts.peers.append(bool(line.getpeercert()) if context.verify_mode else False)
        facts.got.append(b"")
        while True:
            try:
                data = line.recv(4096)
            except ssl.SSLZeroReturnError:
                data = b""
            if not data:
                break
            facts.got[-1] += data
            if facts.fault in {"cut", "reset"}:
                if facts.fault == "reset":
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                line.close()
                return
        if facts.fault != "curt":
            line.unwrap().close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


def server(facts: Collector, authority: Authority) -> Server:
    return Server("127.0.0.1", facts.port, str(authority.file))


def frames(count: int = 3, size: int = 100) -> list[bytes]:
    return [syslog.frame(b"x" * size + str(n).encode(), NOW, "host", "postern", "1") for n in range(count)]


class TestTheWire:
    def test_a_frame_is_as_the_rfcs_say(self) -> None:
        [said] = unframed(syslog.frame("<é/>".encode(), NOW, "ho st\n", "postern", ""))
        assert said == (
            b"<85>1 2026-03-01T12:00:00.000000Z host postern - DICOM+RFC3881 - \xef\xbb\xbf<\xc3\xa9/>"
        )
        assert re.match(rb"<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ - ", said)

    @pytest.mark.parametrize("fault", ["", "curt"])
    def test_all_arrive_in_order(self, authority: Authority, fault: str) -> None:
        """A server that just hangs up after our farewell has read all of it, too."""
        with collector(authority, fault=fault) as facts:
            syslog.send(server(facts, authority), frames(500))
        assert [one[-3:].lstrip(b"x") for one in facts.messages] == [str(n).encode() for n in range(500)]

    def test_a_server_that_wants_to_know_who_we_are_hears_it(self, authority: Authority) -> None:
        mine = authority.issue("postern")
        with collector(authority, mutual=True) as facts:
            to = Server("127.0.0.1", facts.port, str(authority.file), str(mine.certificate), str(mine.key))
            syslog.send(to, frames())
        assert facts.peers == [True] and len(facts.messages) == 3

    def test_without_a_certificate_it_hears_nothing(self, authority: Authority) -> None:
        with collector(authority, mutual=True) as facts, pytest.raises(NotSent):
            syslog.send(server(facts, authority), frames())
        assert not facts.messages

    def test_a_server_of_another_authority_is_not_believed(
        self, authority: Authority, tmp_path: Path
    ) -> None:
        with collector(authority) as facts, pytest.raises(NotSent, match="not believed"):
            syslog.send(server(facts, Authority(tmp_path / "other")), frames())
        assert not facts.got

    def test_a_server_under_another_name_is_not_believed(self, authority: Authority) -> None:
        with collector(authority) as facts, pytest.raises(NotSent, match="not believed"):
            syslog.send(Server("localhost", facts.port, str(authority.file)), frames())

    @pytest.mark.parametrize("fault", ["cut", "reset"])
    def test_what_breaks_off_in_the_middle_is_not_sent(self, authority: Authority, fault: str) -> None:
        with collector(authority, fault=fault) as facts, pytest.raises(NotSent):
            syslog.send(server(facts, authority), frames(3000, 3000))

    def test_a_silent_server_is_given_up(self, authority: Authority) -> None:
        with collector(authority, fault="silent") as facts, pytest.raises(NotSent, match="in time"):
            syslog.send(server(facts, authority), frames(), patience=0.5)

    def test_nothing_older_than_tls_1_2_is_spoken(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        lax.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        monkeypatch.setattr(ssl, "create_default_context", lambda **_: lax)
        assert syslog._context(Server("localhost", 6514)).minimum_version == ssl.TLSVersion.TLSv1_2

    def test_nobody_there(self, authority: Authority) -> None:
        with pytest.raises(NotSent, match="cannot be reached"):
            syslog.send(Server("127.0.0.1", free_port(), str(authority.file)), frames())


@pytest.mark.django_db
class TestTheQueue:
    @pytest.fixture(autouse=True)
    def chain(self, settings: Settings, authority: Authority) -> None:
        settings.AUDIT_SYSLOG_AUTHORITIES = str(authority.file)
        for number in range(5):
            record("identity.viewed", actor="ada", subject="ANON-X", purpose="typed", detail={"n": number})

    def numbers(self, facts: Collector) -> int:
        return len(facts.messages)

    def test_without_a_server_nothing_is_sent(self, settings: Settings) -> None:
        settings.AUDIT_SYSLOG = ""
        assert sending.look(NOW) == 0 and not Forwarding.objects.exists()

    def test_every_entry_goes_once_and_later_ones_later(
        self, settings: Settings, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sending, "AT_ONCE", 2)
        with collector(authority) as facts:
            settings.AUDIT_SYSLOG = f"127.0.0.1:{facts.port}"
            assert sending.look(NOW) == 5 and sending.look(NOW) == 0
            record("login.succeeded", actor="ada")
            assert sending.look(NOW) == 1
        assert len(facts.messages) == 6 and b"110114" in facts.messages[-1]
        assert all(b"typed" not in one for one in facts.messages)
        assert [found.level for found in books.examine_audit() if "syslog" in found.sentence] == ["ok"]

    def test_a_server_that_is_away_loses_nothing_and_blocks_nobody(
        self, settings: Settings, authority: Authority
    ) -> None:
        settings.AUDIT_SYSLOG = f"127.0.0.1:{free_port()}"
        assert sending.look(NOW) == 0
        row = Forwarding.objects.get()
        assert row.tries == 1 and row.next_try_at == NOW + sending.PAUSE and "cannot be reached" in row.reason
        assert record("identity.viewed", actor="ada").sequence == 6
        [found] = [found for found in books.examine_audit() if "syslog" in found.sentence]
        assert found.level == "warn" and "6 entries wait" in found.sentence
        with collector(authority) as facts:
            settings.AUDIT_SYSLOG = f"127.0.0.1:{facts.port}"
            assert sending.look(NOW) == 0, "it rests"
            assert sending.look(NOW + sending.PAUSE) == 6
        again = Forwarding.objects.get()
        assert (again.tries, again.reason, again.next_try_at, again.up_to) == (0, "", None, 6)

    def test_pauses_grow_to_a_bound(self) -> None:
        assert [sending.pause(n) for n in (1, 2, 3)] == [sending.PAUSE, 2 * sending.PAUSE, 4 * sending.PAUSE]
        assert sending.pause(10_000) == sending.PAUSE_MAX

    def test_a_worker_that_died_is_followed_by_another(
        self, settings: Settings, authority: Authority
    ) -> None:
        Forwarding.objects.create(name=sending.SYSLOG, token="dead", lease_until=NOW + sending.LEASE)
        with collector(authority) as facts:
            settings.AUDIT_SYSLOG = f"127.0.0.1:{facts.port}"
            assert sending.look(NOW) == 0, "it may still be at it"
            assert sending.look(NOW + sending.LEASE) == 5

    def test_retention_waits_for_the_server(self, settings: Settings, tmp_path: Path) -> None:
        settings.AUDIT_SYSLOG = f"127.0.0.1:{free_port()}"
        Forwarding.objects.create(name=sending.SYSLOG, up_to=3)
        assert let_go(tmp_path, timezone.now() + timedelta(days=1), "ada").up_to == 3
        assert Entry.objects.order_by("sequence")[0].sequence == 4

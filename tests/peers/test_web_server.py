"""Behind nginx, set as docs/operations.md says: what it says of callers is believed, and nothing of theirs is kept."""

import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests import tools
from tests.cluster import free_port
from tests.house import ROOT, House
from tests.management.test_serve import answers, is_open, until
from tests.network.certificates import Authority

pytestmark = [pytest.mark.peers, pytest.mark.journey]
PASSWORD = "correct horse battery staple"
SPOOLS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
HALF = b"""POST /v1/anonymize HTTP/1.1\r
Host: 127.0.0.1\r
Content-Type: application/dicom\r
Content-Length: 900000\r
\r
""" + bytes(300_000)


@dataclass(frozen=True)
class Front:
    """`port` speaks TLS, with a certificate of `authority`."""

    port: int
    authority: Path
    pid: int

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def spooled(self) -> list[str]:
        """Its temporary files; they have no names any more, as soon as they are open."""
        files = [str(one.readlink()) for one in Path(f"/proc/{self.pid}/fd").iterdir()]
        return [one for one in files if any(f"/nginx/{kind}/" in one for kind in SPOOLS)]


def documented() -> str:
    """The server block of the manual."""
    text = (ROOT / "docs" / "operations.md").read_text()
    (block,) = re.findall(r"```nginx\n(server \{.*?)```", text, re.DOTALL)
    return str(block)


@contextmanager
def nginx(folder: Path, server: str, behind: int) -> Iterator[Front]:
    folder.mkdir()
    port, files = free_port(), Authority(folder / "tls").issue("postern")
    for old, new in (
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/postern.pem", str(files.certificate)),
        ("/etc/ssl/postern.key", str(files.key)),
        ("127.0.0.1:8080", f"127.0.0.1:{behind}"),
    ):
        assert server.count(old) == 1, old
        server = server.replace(old, new)
    spools = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in SPOOLS)
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors;\n"
        f"events {{}}\nhttp {{\n{spools}{server}}}\n"
    )
    command = [tools.debian("nginx"), "-p", str(folder), "-e", str(folder / "errors"), "-c", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_open(port), 20)
        yield Front(port, Path(str(files.authorities)), process.pid)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, migrated: House) -> Iterator[House]:
    """One that was told of its web server; `chief` may everything."""
    one = House.build(tmp_path_factory.mktemp("house"), {**os.environ, "API_TRUSTED_PROXIES": "127.0.0.1"})
    one.take_database_of(migrated)
    name = {"DJANGO_SUPERUSER_USERNAME": "chief", "DJANGO_SUPERUSER_EMAIL": ""}
    done = one.command("createsuperuser", "--noinput", DJANGO_SUPERUSER_PASSWORD=PASSWORD, **name)
    assert done.returncode == 0, done.stderr
    one.start("web")
    until(lambda: answers(one.api_port))
    yield one
    one.close()


def log_in(front: Front, session: requests.Session, **headers: str) -> requests.Response:
    session.trust_env = False  # REQUESTS_CA_BUNDLE would win
    session.verify, page = str(front.authority), f"{front.url}/admin/login/"
    found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', session.get(page, timeout=20).text)
    assert found
    words = {"username": "chief", "password": PASSWORD, "csrfmiddlewaretoken": found[1], "next": "/admin/"}
    said = {"Origin": front.url, "Referer": page, **headers}
    return session.post(page, words, headers=said, allow_redirects=False, timeout=20)


def test_a_person_logs_in_over_tls_and_is_known_by_their_address(tmp_path: Path, house: House) -> None:
    with nginx(tmp_path / "nginx", documented(), house.api_port) as front, requests.Session() as session:
        answer = log_in(front, session, **{"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "http"})
        assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
        assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert {one.name: one.secure for one in session.cookies} == {"csrftoken": True, "sessionid": True}
        marks = session.get(f"{front.url}/v1/audit?action=login.succeeded", timeout=20).json()["results"]
        assert marks[0]["detail"]["address"] == "127.0.0.1"  # nginx said so, not its caller
        asked = {"pseudonym": "ANON-NOBODY", "purpose": "test"}
        said = {"X-CSRFToken": session.cookies["csrftoken"], "Referer": front.url, "Origin": front.url}
        answer = session.post(f"{front.url}/v1/persons/reidentify", json=asked, headers=said, timeout=20)
        assert (answer.status_code, answer.json()["code"]) == (404, "not-found")  # and not in-clear


@pytest.mark.parametrize("is_told", [True, False])
def test_what_is_uploaded_lies_in_no_file_of_the_web_server(
    tmp_path: Path, house: House, is_told: bool
) -> None:
    server = documented()
    if not is_told:
        server = re.sub(r" *proxy_(request_)?buffering off;[^\n]*\n", "", server)
    with nginx(tmp_path / "nginx", server, house.api_port) as front:
        context = ssl.create_default_context(cafile=str(front.authority))
        plain = socket.create_connection(("127.0.0.1", front.port), 20)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as line:
            line.sendall(HALF)
            if is_told:
                assert line.recv(12) == b"HTTP/1.1 401"  # it went through as it came
                assert front.spooled() == []
            else:
                until(front.spooled, 20)

"""The reference backend speaks the whole contract on one port."""

from pathlib import Path

import requests
from websockets.sync.client import ClientConnection

from proxy.link.calling import NotConnected, call
from proxy.link.downloading import Bounds, Wanted, download
from tests.backend.platform import until
from tests.backend.uploads import TOKEN, WORKSPACE, Archive
from tests.backend.whole import whole


def test_what_was_uploaded_is_dispatched_and_comes_back(tmp_path: Path) -> None:
    with whole(tmp_path / "archives") as one:
        kept = tmp_path / "archives" / "1.zip"
        kept.write_bytes(b"PK archive")
        one.backend.archives["x"] = Archive("a-1", {}, "x.zip", kept, "")
        wanted = Wanted(WORKSPACE, "session", "a-1")
        assert download(one.server.url, TOKEN, wanted, tmp_path / "got", Bounds(1000, 0)) is None
        assert (tmp_path / "got").read_bytes() == kept.read_bytes()
        line = call(one.server.url, TOKEN, key_in_query=False)
        assert isinstance(line, ClientConnection)
        with line:
            assert WORKSPACE in str(line.recv(timeout=5))
            until(lambda: one.platform.lines)
            assert "said to 1" in one.hear("session.dispatch a-1\n") and one.hear("\n") == ""
            assert "session.dispatch" in str(line.recv(timeout=5))


def test_without_the_token_there_is_nothing(tmp_path: Path) -> None:
    with whole(tmp_path / "archives") as one:
        assert isinstance(call(one.server.url, "wrong", key_in_query=False), NotConnected)
        path = f"/api/v1/proxy/{WORKSPACE}/sessions/a-1/download"
        assert requests.get(one.server.url + path, timeout=5).status_code == 401
        headers = {"X-Proxy-Key": TOKEN}
        assert requests.get(one.server.url + path, headers=headers, timeout=5).status_code == 404
        assert requests.get(one.server.url + "/", timeout=5).status_code == 200

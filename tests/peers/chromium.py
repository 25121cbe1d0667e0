"""A real browser without a window: Debian's Chromium, spoken to by its DevTools protocol.

It keeps what a person would find in its console, what it asked for and did not get, and finds nothing but this machine:
a page that wants a font or a script from elsewhere complains of it.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from websockets.sync.client import ClientConnection, connect

from tests import tools

PROGRAMS: Final = ("chromium-headless-shell", "chromium", "google-chrome-stable", "chromium-browser")
PATIENCE: Final = 20.0  # seconds
QUIET: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--mute-audio",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-sync",
    "--disable-extensions", "--metrics-recording-only", "--remote-debugging-port=0", "--window-size=1400,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


@contextmanager
def page(folder: Path) -> Iterator["Page"]:
    """The one page of a browser of its own, with nothing remembered."""
    command = [tools.debian_one_of(PROGRAMS), *QUIET, f"--user-data-dir={folder}", "about:blank"]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        with connect(_address(folder, process), max_size=None, proxy=None) as line:
            yield Page(line)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """With all that it has started: Debian's command is a script, which would leave the browser behind."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _address(folder: Path, process: "subprocess.Popen[bytes]") -> str:
    said, end = folder / "DevToolsActivePort", time.monotonic() + PATIENCE
    while not (said.is_file() and said.read_text().count("\n")):
        assert process.poll() is None and time.monotonic() < end, "the browser does not start"
        time.sleep(0.05)
    port, path = said.read_text().split()
    return f"ws://127.0.0.1:{port}{path}"


class Page:
    """`complaints`: what stands in the console as an error, and what was asked for and not answered well."""

    def __init__(self, line: ClientConnection) -> None:
        self._line, self._count, self._session = line, 0, ""
        self.complaints: list[str] = []
        self._loads = 0
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for room in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{room}.enable")

    def go(self, url: str) -> None:
        before = self._loads
        trouble = self._call("Page.navigate", url=url).get("errorText")
        assert not trouble, f"{url}: {trouble}"
        self._until_loaded(before)

    def click(self, selector: str, *, leads_on: bool = False) -> None:
        """`leads_on`: another page follows."""
        self.until(f"!!document.querySelector({json.dumps(selector)})")
        before = self._loads
        self.run(f"document.querySelector({json.dumps(selector)}).click()")
        if leads_on:
            self._until_loaded(before)

    def type(self, selector: str, text: str) -> None:
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def run(self, script: str) -> Any:
        """The value of an expression."""
        said = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in said, said["exceptionDetails"].get("text")
        return said["result"].get("value")

    def until(self, script: str) -> Any:
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, f"this never became true: {script}"
            time.sleep(0.05)
        return value

    def _until_loaded(self, before: int) -> None:
        while self._loads == before:
            self._heard(json.loads(self._line.recv(PATIENCE)))

    def _call(self, method: str, **words: Any) -> dict[str, Any]:
        self._count += 1
        where = {"sessionId": self._session} if self._session else {}
        self._line.send(json.dumps({"id": self._count, "method": method, "params": words, **where}))
        while (said := json.loads(self._line.recv(PATIENCE))).get("id") != self._count:
            self._heard(said)
        assert "error" not in said, f"{method}: {said['error']}"
        return dict(said["result"])

    def _heard(self, event: dict[str, Any]) -> None:
        said = event.get("params", {})
        match event.get("method"):
            case "Page.loadEventFired":
                self._loads += 1
            case "Log.entryAdded" if said["entry"]["level"] in ("error", "warning"):
                self.complaints.append(said["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(said["exceptionDetails"]["text"])
            case "Runtime.consoleAPICalled" if said["type"] in ("error", "assert"):
                self.complaints.append(" ".join(str(one.get("value")) for one in said["args"]))
            case "Network.responseReceived" if said["response"]["status"] >= 400:
                self.complaints.append(f"{said['response']['status']} {said['response']['url']}")
            case "Network.loadingFailed":
                self.complaints.append(said["errorText"])

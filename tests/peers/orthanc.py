"""An Orthanc of one's own: free ports, its own folder; it takes whatever it is sent."""

import base64
import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests import cast
from tests.cluster import free_port
from tests.tools import debian


class Orthanc:
    def __init__(
        self, folder: Path, more: Mapping[str, object] | None = None, login: tuple[str, str] | None = None
    ) -> None:
        folder.mkdir()
        self.login = login
        self.dicom_port, self.http_port = free_port(), free_port()
        settings = {
            "Name": "Archive",
            "StorageDirectory": str(folder / "db"),
            "IndexDirectory": str(folder / "db"),
            "Plugins": [],
            "HttpServerEnabled": True,
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "AuthenticationEnabled": False,
            "DicomServerEnabled": True,
            "DicomAet": cast.ARCHIVE,
            "DicomPort": self.dicom_port,
            "DicomCheckCalledAet": True,
            "DicomAlwaysAllowStore": True,
            "UnknownSopClassAccepted": True,
            "SaveJobs": False,
            **(more or {}),
        }
        config = folder / "orthanc.json"
        config.write_text(json.dumps(settings))
        with (folder / "out").open("w") as said:
            self.process = subprocess.Popen(
                [debian("Orthanc"), str(config)],
                env={**os.environ, "TCP_NODELAY": "1"},
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + 120
        while True:
            try:
                self.get("/system")
                return
            except OSError:
                assert time.monotonic() < end, "Orthanc did not start"
                time.sleep(0.1)

    def get(self, path: str) -> Any:
        return json.loads(self.raw(path))

    def raw(self, path: str) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}")
        if self.login is not None:
            word = base64.b64encode(":".join(self.login).encode()).decode()
            request.add_header("Authorization", f"Basic {word}")
        with urllib.request.urlopen(request, timeout=100) as answer:
            return bytes(answer.read())

    def post(self, path: str, data: bytes) -> bytes:
        url = f"http://127.0.0.1:{self.http_port}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, data, method="POST"), timeout=100) as answer:
            return bytes(answer.read())

    def files(self) -> Iterator[bytes]:
        for one in self.get("/instances"):
            yield self.raw(f"/instances/{one}/file")

    def close(self) -> None:
        self.process.kill()  # nobody needs what it has, and it takes seconds to say goodbye
        self.process.wait(timeout=100)

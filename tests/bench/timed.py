"""A sender that times each C-STORE: a process for each association, all beginning together once all are open.

`python -m tests.bench.timed PORT CALLED FOLDER...` sends each folder over an association of its own and prints
JSON: `seconds` from the first request to the last answer, and `latencies`, one for each image, in seconds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxy.network.contexts import proposals
from proxy.network.line import Line
from proxy.network.peer import Peer
from proxy.network.quiet import hush

HERE, EXPLICIT = "127.0.0.1", "1.2.840.10008.1.2.1"


@dataclass(frozen=True)
class Sent:
    seconds: float
    latencies: list[float]


def send(port: int, called: str, folders: Sequence[Path]) -> Sent:
    command = [sys.executable, "-m", "tests.bench.timed", str(port), called, *map(str, folders)]
    environ = {**os.environ, "PYTHONPATH": "."}
    said = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, text=True).stdout
    return Sent(**json.loads(said))


class Sender:
    """A child at the other ends of two pipes: it says that it is ready, waits, sends, and tells its times."""

    def __init__(self, peer: Peer, folder: Path) -> None:
        told, tell = os.pipe()
        heard, say = os.pipe()
        if (pid := os.fork()) == 0:
            os.close(told)
            os.close(say)
            _in_child(peer, folder, os.fdopen(heard, "rb"), os.fdopen(tell, "w"))
        os.close(tell)
        os.close(heard)
        self._pid, self._told, self._say = pid, os.fdopen(told), os.fdopen(say, "wb")

    def is_ready(self) -> bool:
        return self._told.readline() == "ready\n"

    def go(self) -> None:
        self._say.write(b"\n")
        self._say.close()

    def spans(self) -> list[tuple[float, float]]:
        """When each request began and each answer was there."""
        said = self._told.read()
        _, code = os.waitpid(self._pid, 0)
        if code:
            raise SystemExit("A sender failed.")
        return [(began, ended) for began, ended in json.loads(said)]


def _in_child(peer: Peer, folder: Path, go: Any, tell: Any) -> None:
    """Never returns: what the parent has set up is not this process's to tear down."""
    code = 1
    try:
        images = [_image(path) for path in sorted(folder.iterdir())]
        line = Line(peer, proposals(sorted({(sop_class, EXPLICIT) for _, sop_class, _ in images})))
        tell.write("ready\n")
        tell.flush()
        if go.readline():
            json.dump([_stored(line, *image) for image in images], tell)
            tell.flush()
            code = 0
        line.close()
    finally:
        os._exit(code)


def _image(path: Path) -> tuple[Path, str, str]:
    sop_class, uid = path.stem.split("-")
    return path, sop_class, uid


def _stored(line: Line, path: Path, sop_class: str, uid: str) -> tuple[float, float]:
    began = time.perf_counter()
    status = line.store_file(line.accepted[sop_class, EXPLICIT], sop_class, uid, path)
    if status != 0:
        raise SystemExit(f"An image was answered with 0x{status:04X}.")
    return began, time.perf_counter()


def main(port: str, called: str, *folders: str) -> None:
    hush()
    peer = Peer(called, HERE, int(port), calling_ae="CT_EAST")
    senders = [Sender(peer, Path(folder)) for folder in folders]
    ready = [sender.is_ready() for sender in senders]
    if not all(ready):
        raise SystemExit("An association was not taken.")
    for sender in senders:
        sender.go()
    spans = [span for sender in senders for span in sender.spans()]
    seconds = max(ended for _, ended in spans) - min(began for began, _ in spans)
    print(json.dumps({"seconds": seconds, "latencies": [ended - began for began, ended in spans]}))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A receiver in a process of its own that answers Success and keeps nothing: ours, or stock pynetdicom's.

`python -m tests.bench.null ours|stock` says its port, serves until its standard input ends, and so outlives nobody.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from pynetdicom import AE, AllStoragePresentationContexts, evt

from proxy.network.door import Caller, Rejection, Reply, StoreCommand
from proxy.network.quiet import hush
from proxy.network.scp import Listener, ListenSettings

HERE = "127.0.0.1"
MOST = 64


@dataclass(frozen=True)
class Null:
    port: int
    pid: int


def receiver(kind: str) -> AbstractContextManager[Null]:
    return child("tests.bench.null", kind)


@contextmanager
def child(module: str, *words: str) -> Iterator[Null]:
    """A module that says its port and serves until its standard input ends."""
    environ = {**os.environ, "PYTHONPATH": "."}
    command = [sys.executable, "-m", module, *words]
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        yield Null(int(process.stdout.readline()), process.pid)
        process.stdin.close()


class Nowhere:
    """A door to a sink that takes everything and keeps nothing."""

    def admit(self, caller: Caller) -> Rejection | None:
        return None

    def begin(self, caller: Caller, command: StoreCommand) -> "Nowhere":
        return self

    def feed(self, view: memoryview) -> None:
        return None

    def finish(self) -> Reply:
        return Reply(0)

    def abort(self) -> None:
        return None


def stock() -> int:
    ae = AE(ae_title="DICOMRCV")
    ae.maximum_pdu_size = 16384
    ae.maximum_associations = MOST
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_C_STORE, lambda event: 0x0000)]
    server = ae.start_server((HERE, 0), block=False, evt_handlers=handlers)
    return int(server.server_address[1])


def ours() -> int:
    settings = ListenSettings(port=0, bind=HERE, accepted=("all",), max_associations=MOST)
    listener = Listener(settings, Nowhere())
    listener.start()
    return listener.port


def main() -> None:
    hush()
    kinds: dict[str, Callable[[], int]] = {"ours": ours, "stock": stock}
    print(kinds[sys.argv[1]](), flush=True)
    sys.stdin.read()
    os._exit(0)  # associations that are still open have nobody to talk to


if __name__ == "__main__":
    main()

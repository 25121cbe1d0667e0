"""The wire alone: our null receiver against stock pynetdicom's, our sender against DCMTK's storescu.

Peers take turns in one run and medians are compared, because machines differ and ratios last. Run by `make bench`.
"""

import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt

from proxy.network.door import Caller, Rejection, Reply, StoreCommand
from proxy.network.quiet import hush
from proxy.network.scp import Listener, ListenSettings
from proxy.network.scu import Outgoing, Peer, send
from tests.network.people import image, outgoing, run, storescp
from tests.network.strangers import RELEASE_RQ, Stranger

ROUNDS = 3
HERE = "127.0.0.1"
LOADS = {"CT 525 KB": (512, 150), "MR 132 KB": (256, 300)}
Batch = list[Outgoing]


class Nowhere:
    """A door to a sink that only counts."""

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


def stock() -> Any:
    ae = AE(ae_title="DICOMRCV")
    ae.maximum_pdu_size = 16384
    ae.supported_contexts = AllStoragePresentationContexts
    ae.add_supported_context("1.2.840.10008.1.1")
    handlers = [(evt.EVT_C_STORE, lambda event: 0x0000)]
    return ae.start_server((HERE, 0), block=False, evt_handlers=handlers)


def ours() -> Listener:
    listener = Listener(ListenSettings(port=0, bind=HERE, accepted=("all",), max_associations=64), Nowhere())
    listener.start()
    return listener


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds on the clock and of this process's CPU."""
    cpu, clock = _cpu(), time.perf_counter()
    act()
    return time.perf_counter() - clock, _cpu() - cpu


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def storescu(port: int, batch: Batch, associations: int = 1) -> None:
    paths = [item.path for item in batch]
    with ThreadPoolExecutor(associations) as pool:
        for done in [
            pool.submit(run, "storescu", "-aec", "DICOMRCV", HERE, port, *paths) for _ in range(associations)
        ]:
            assert done.result().returncode == 0, done.result().stdout


def our_sender(port: int, batch: Batch) -> None:
    summary = send(Peer("ARCHIVE", HERE, port), batch, lambda result: None, lambda: True)
    assert summary.stored == len(batch), summary


def receivers(batch: Batch, associations: int) -> None:
    listener, server = ours(), stock()
    ports = {"ours": listener.port, "stock pynetdicom": server.server_address[1]}
    table = {
        name: [timed(lambda port=port: storescu(port, batch, associations)) for _ in range(ROUNDS)]  # type: ignore[misc]
        for name, port in ports.items()
    }
    listener.stop(1)
    server.shutdown()
    report(f"receive, {associations} association(s)", table, len(batch) * associations)


def senders(batch: Batch) -> None:
    with tempfile.TemporaryDirectory() as folder, storescp(Path(folder), "--ignore") as port:
        rows: dict[str, list[tuple[float, float]]] = {"ours": [], "storescu": []}
        for _ in range(ROUNDS):
            rows["ours"].append(timed(lambda: our_sender(port, batch)))
            rows["storescu"].append(timed(lambda: storescu(port, batch)))
    report("send to storescp --ignore", rows, len(batch))


def openings() -> None:
    listener, server = ours(), stock()
    ports = {"ours": listener.port, "stock pynetdicom": server.server_address[1]}
    table = {name: [timed(lambda port=port: _associations(port, 40))] for name, port in ports.items()}  # type: ignore[misc]
    listener.stop(1)
    server.shutdown()
    report("associations opened and released", table, 40)


def _associations(port: int, count: int) -> None:
    for _ in range(count):
        with Stranger(port) as stranger:
            stranger.associate()
            stranger.say(RELEASE_RQ)
            assert stranger.hear()[0] == 6


def idle(seconds: float = 3.0) -> None:
    for name, make in (("ours", ours), ("stock pynetdicom", stock)):
        server: Any = make()
        port = server.port if isinstance(server, Listener) else server.server_address[1]
        lines = [_open(port) for _ in range(20)]
        _, cpu = timed(lambda: time.sleep(seconds))
        print(f"  20 idle associations, {name:18} {cpu / seconds * 100:6.1f} % of a core")
        for line in lines:
            line.close()
        server.stop(1) if isinstance(server, Listener) else server.shutdown()


def _open(port: int) -> Stranger:
    stranger = Stranger(port)
    stranger.associate()
    return stranger


def report(title: str, table: dict[str, list[tuple[float, float]]], count: int) -> None:
    print(f"  {title}")
    first = 0.0
    for name, measured in table.items():
        seconds = statistics.median(clock for clock, _ in measured)
        cpu = statistics.median(cpu for _, cpu in measured)
        first = first or seconds
        ratio = seconds / first
        print(
            f"    {name:18} {count / seconds:8.0f}/s  x{ratio:5.2f}  {cpu / count * 1000:6.2f} ms CPU here each"
        )


def main() -> None:
    hush()
    with tempfile.TemporaryDirectory() as folder:
        for name, (rows, count) in LOADS.items():
            print(name)
            batch = [outgoing(image(n, rows=rows), Path(folder), n) for n in range(count)]
            receivers(batch, 1)
            receivers(batch[: count // 2], 4)
            senders(batch)
    openings()
    idle()


if __name__ == "__main__":
    main()

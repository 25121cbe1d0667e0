"""The wire alone: our null receiver beside stock pynetdicom's, our sender beside DCMTK's storescu.

Each receiver is a process of its own, so its CPU is its own. Run by `make bench` and `make bench-wire RUNS=n`.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from proxy.network.quiet import hush
from proxy.network.scu import Outgoing, Peer, send
from tests.bench import processes
from tests.bench.null import HERE, Null, receiver
from tests.bench.rounds import Sample, interleaved, runs, tell
from tests.network.people import image, outgoing, run, storescp
from tests.network.strangers import RELEASE_RQ, Stranger

LOADS = {"CT 525 KB": (512, 240), "MR 132 KB": (256, 480)}  # rows, and images in a turn
ASSOCIATIONS, SHORTEST = (1, 4, 16), 80
FEW = 60  # images for a peer with Nagle on, who may cost 40 ms each
OPENINGS, IDLE, IDLE_SECONDS = 60, 20, 10.0
Batch = list[Outgoing]
Send = Callable[[int, Batch], None]
Nulls = Mapping[str, Null]


def storescu(port: int, batch: Batch) -> None:
    done = run("storescu", "-aec", "DICOMRCV", HERE, port, *[item.path for item in batch])
    assert done.returncode == 0, done.stdout


def ours(port: int, batch: Batch) -> None:
    summary = send(Peer("ARCHIVE", HERE, port), batch, lambda result: None, lambda: True)
    assert summary.stored == len(batch), summary


def timed(count: int, act: Callable[[], object], cpu: Callable[[], float]) -> Sample:
    used, began = cpu(), time.perf_counter()
    act()
    return Sample(count, time.perf_counter() - began, cpu() - used)


def at_once(send_one: Send, port: int, share: Batch, associations: int) -> None:
    """The same images over each association."""
    with ThreadPoolExecutor(associations) as pool:
        for done in [pool.submit(send_one, port, share) for _ in range(associations)]:
            done.result()


def receivers(load: str, nulls: Nulls, batch: Batch, associations: int) -> None:
    """storescu sends; the CPU is the receiver's. A share is long beside the start of a storescu."""
    share = batch[: max(len(batch) // associations, SHORTEST)]

    def turn(null: Null) -> Sample:
        act = lambda: at_once(storescu, null.port, share, associations)  # noqa: E731
        return timed(len(share) * associations, act, lambda: processes.cpu(null.pid))

    acts = {name: partial(turn, null) for name, null in nulls.items()}
    tell(f"{load}: receive, {associations} at once", interleaved(acts, runs()))


def senders(load: str, batch: Batch, *, nodelay: bool) -> None:
    """To one storescp; the CPU is the sender's, its start included. Debian's storescp has Nagle on unless told."""
    kinds: dict[str, Send] = {"ours": ours, "storescu": storescu}
    with tempfile.TemporaryDirectory() as name, storescp(Path(name), "--ignore", nodelay=nodelay) as port:

        def turn(kind: Send) -> Sample:
            return timed(len(batch), lambda: kind(port, batch), _of_here)

        acts = {name: partial(turn, kind) for name, kind in kinds.items()}
        tell(
            f"{load}: send to storescp --ignore{'' if nodelay else ', as Debian has it'}",
            interleaved(acts, runs()),
        )


def _of_here() -> float:
    """Of this process and of those it has started and that have ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def openings(nulls: Nulls) -> None:
    def turn(null: Null) -> Sample:
        return timed(OPENINGS, lambda: _associations(null.port), lambda: processes.cpu(null.pid))

    acts = {name: partial(turn, null) for name, null in nulls.items()}
    tell("associations opened and released", interleaved(acts, runs()))


def _associations(port: int) -> None:
    for _ in range(OPENINGS):
        with Stranger(port) as stranger:
            stranger.associate()
            stranger.say(RELEASE_RQ)
            assert stranger.hear()[0] == 6


def idle(nulls: Nulls) -> None:
    """Both at the same time, each in its process."""
    lines = [_open(null.port) for null in nulls.values() for _ in range(IDLE)]
    before = {name: processes.cpu(null.pid) for name, null in nulls.items()}
    time.sleep(IDLE_SECONDS)
    print(f"  {IDLE} idle associations for {IDLE_SECONDS:.0f} s")
    for name, null in nulls.items():
        spent = (processes.cpu(null.pid) - before[name]) / IDLE_SECONDS
        print(f"    {name:20} {spent:8.2%} of a core")
    for line in lines:
        line.close()


def _open(port: int) -> Stranger:
    stranger = Stranger(port)
    stranger.associate()
    return stranger


def main() -> None:
    hush()
    with receiver("ours") as mine, receiver("stock") as stock, tempfile.TemporaryDirectory() as folder:
        nulls = {"ours": mine, "stock pynetdicom": stock}
        for load, (rows, count) in LOADS.items():
            batch = [outgoing(image(n, rows=rows), Path(folder), n) for n in range(count)]
            for associations in ASSOCIATIONS:
                receivers(load, nulls, batch, associations)
            senders(load, batch * 2, nodelay=True)
            senders(load, batch[:FEW], nodelay=False)
        openings(nulls)
        idle(nulls)


if __name__ == "__main__":
    main()

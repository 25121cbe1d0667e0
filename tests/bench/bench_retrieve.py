"""C-GET and C-MOVE of a study of 600 CT images: pseudonymous, and identified (restored on the way), beside Orthanc.

DCMTK's getscu asks and throws away what it is given; for C-MOVE storescp does. All hold the same study; each is asked
in turns. Prints ratios, asserts nothing. `make bench-retrieve RUNS=5 IMAGES=600`.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests import cast
from tests.bench import loads, processes
from tests.bench.bench_gateway import by_storescu
from tests.bench.receivers import HERE, TCP_NODELAY, Receiver, disk, house, wait_for
from tests.bench.rounds import Sample, interleaved, runs, tell
from tests.cluster import free_port
from tests.house import House
from tests.journeys.help import rows
from tests.peers.orthanc import Orthanc
from tests.tools import debian

SITE = """
projects: [{{name: default, recipe: bench.yaml}}]
nodes:
- {{name: READER, ae_title: READER, host: 127.0.0.1, port: {port}, may: [retrieve]}}
- {{name: CLIN, ae_title: CLIN, host: 127.0.0.1, port: {port}, may: [retrieve], view: identified,
   networks: [127.0.0.1/32], projects: [default], grant: {{purpose: measuring, until: 2099-01-01}}}}
routes: [{{called_ae: DICOMRCV, project: default, destinations: []}}]
"""
IDENTIFIED, PSEUDONYMOUS = "Postern, identified", "Postern, pseudonymous"


def asked(
    tool: str, who: str, port: int, called: str, study: str, count: int, roots: tuple[int, ...], *more: str
) -> Sample:
    """One retrieval by getscu or movescu."""
    keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    words = [debian(tool), "-S", "-aet", who, "-aec", called, *more, *keys, HERE, str(port)]
    before, began = processes.cpu(*roots), time.monotonic()
    done = subprocess.run(words, env=TCP_NODELAY, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return Sample(count, time.monotonic() - began, processes.cpu(*roots) - before)


@contextmanager
def sink() -> Iterator[int]:
    """Where C-MOVE brings images; nothing is kept."""
    port = free_port()
    words = [debian("storescp"), "--ignore", "--fork", str(port)]
    with subprocess.Popen(words, env=TCP_NODELAY, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(port)
            yield port
        finally:
            process.terminate()


def clean_study(built: House) -> str:
    [(uid,)] = rows(built, "SELECT uid FROM studies_study")
    return str(uid)


def main() -> None:
    folder, count = disk(), int(os.environ.get("IMAGES") or 600)
    with (
        loads.scratch() as images,
        sink() as port,
        house(folder / "postern", "sqlite", SITE.format(port=port)) as (built, _),
    ):
        listener = built.start("listen")
        wait_for(built.dicom_port)
        modalities = {name: {"AET": name, "Host": HERE, "Port": port} for name in ("READER", "CLIN")}
        server = Orthanc(folder / "orthanc", {"DicomModalities": modalities, "DicomAlwaysAllowGet": True})
        try:
            roots, theirs = (listener.pid,), (server.process.pid,)
            ours = Receiver("Postern", built.dicom_port, cast.DICOMRCV, roots, built.data / "studies")
            other = Receiver("Orthanc", server.dicom_port, cast.ARCHIVE, theirs, folder / "orthanc" / "db")
            share = loads.write(["CT"], images / "sent", 1, count)
            for receiver in (ours, other):
                by_storescu(receiver, share)
            original = study_of(share)
            for tool, more in (("getscu", ("--ignore",)), ("movescu", ("-aem",))):
                acts = {
                    who: partial(
                        asked, tool, ae, port_, called, study, count, owners,
                        *((*more, ae) if tool == "movescu" else more),
                    )
                    for who, ae, port_, called, study, owners in (
                        (PSEUDONYMOUS, "READER", ours.port, ours.called, clean_study(built), roots),
                        (IDENTIFIED, "CLIN", ours.port, ours.called, original, roots),
                        ("Orthanc", "READER", other.port, other.called, original, theirs),
                    )
                }  # fmt: skip
                tell(f"{tool}, {count} CT images", interleaved(acts, runs(5)))
        finally:
            server.close()


def study_of(share: list[list[Path]]) -> str:
    """From the name of a file: `CLASS-INSTANCE.dcm`, where the study is the instance's root."""
    instance = share[0][0].stem.split("-", 1)[1]
    return f"{instance.rsplit('.', 2)[0]}.1"


if __name__ == "__main__":
    main()

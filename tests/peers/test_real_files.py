"""All real files of pydicom and pydicom-data, by DCMTK through the whole house to an Orthanc.

Each file is delivered, held or refused, and we can say which and why.
"""

import json
import re
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian
from pynetdicom.sop_class import _STORAGE_CLASSES

from proxy.network.scu import Outgoing, Peer, send
from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.peers.orthanc import Orthanc
from tests.tools import debian

STORAGE = set(_STORAGE_CLASSES.values())
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
MAPPED = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "SOPInstanceUID")
SENT = re.compile(r"with status SUCCESS\s*:\s*(\d+)")
MAP_UIDS = """
import json, sys, django; django.setup()
from proxy.deid import map_uid, subject_uid_key
from proxy.vault.projects import project_key
key = subject_uid_key(project_key(int(sys.argv[1])), 0)
print(json.dumps({uid: map_uid(key, uid) for uid in json.load(sys.stdin)}))
"""


@dataclass(frozen=True, eq=False)
class Real:
    path: Path
    header: Dataset

    @property
    def uid(self) -> str:
        return str(self.header.get("SOPInstanceUID", ""))


def real_files() -> list[Real]:
    """Every storage object of both packages that says what it is."""
    folders = [Path(pydicom.__file__).parent / "data", Path(data_store.__file__).parent]
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    found = [Real(path, header) for path in paths if (header := _header(path)) is not None]
    assert len(found) > 200
    return found


def _header(path: Path) -> Dataset | None:
    content = path.read_bytes()
    if content[128:132] != b"DICM":
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = dcmread(BytesIO(content), stop_before_pixels=True)
        is_storage = header.file_meta.get("MediaStorageSOPClassUID") in STORAGE
    return header if is_storage and "TransferSyntaxUID" in header.file_meta else None


def dcmsend(house: House, files: list[Real], report: Path) -> "subprocess.Popen[str]":
    names = [str(real.path) for real in files]
    words = [debian("dcmsend"), "--no-halt", "--no-uid-checks", "-dn", "+crf", str(report)]
    where = ["-aet", cast.CT_EAST, "-aec", cast.DICOMRCV, "127.0.0.1", str(house.dicom_port)]
    return subprocess.Popen(
        [*words, *where, *names],
        env=house.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def mapped(house: House, uids: set[str]) -> dict[str, str]:
    """Which pseudonymous UID an original one has in the house's first project."""
    project = journey.count(house, "SELECT id FROM routing_project")
    said = subprocess.run(
        [sys.executable, "-c", MAP_UIDS, str(project)],
        input=json.dumps(sorted(uids)),
        env=house.env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(said.stdout))


def same_pixels(one: Dataset, other: Dataset) -> bool:
    """Bit-identical; DCMTK may have turned big endian into little endian on its way to us."""
    ours, theirs = bytes(one.get("PixelData", b"")), bytes(other.get("PixelData", b""))
    if ours == theirs:
        return True
    if ExplicitVRBigEndian not in {one.file_meta.TransferSyntaxUID, other.file_meta.TransferSyntaxUID}:
        return False
    return any(np.frombuffer(ours, word).byteswap().tobytes() == theirs for word in ("u2", "u4"))


ORDINARY = {"modality", "perfusion"}  # names of test patients, and words that every image may hold


def strong_needles(files: list[Real]) -> list[str]:
    """The longest names and ids of the senders: those that cannot be mistaken for anything else."""
    found = set()
    for real in files:
        name = str(real.header.get("PatientName", ""))
        for part in (*name.replace("=", "^").split("^"), str(real.header.get("PatientID", ""))):
            if part.isascii() and not part.upper().startswith(("ANON", "PATIENT", "UNKNOWN")):
                found.add(part)
    strong = sorted((part for part in found if _is_strong(part)), key=lambda part: (-len(part), part))
    return strong[:40]


def _is_strong(part: str) -> bool:
    """No ordinary word, and nothing that a ramp or a flat area of pixels may spell."""
    letters = set(part.lower()) - set("0123456789")
    return len(part) >= 6 and len(letters) >= 4 and part.lower() not in ORDINARY


@pytest.mark.peers
@pytest.mark.journey
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")  # real files break rules
def test_all_real_files_are_delivered_held_or_refused_with_a_reason(house: House, tmp_path: Path) -> None:
    house.env.update(DICOM_STUDY_TIMEOUT="2", DICOM_ACCEPTED_CLASSES="all", DELIVERY_PAUSE="1")
    files = real_files()
    archive = Orthanc(tmp_path / "archive")
    try:
        journey.site(house, archive.dicom_port)
        house.start("listen")
        journey.wait_until(lambda: echo(house), "the listener answers")
        slices = [first_of_each_uid(files[n::4]) for n in range(4)]
        sent = _send_four_at_once(house, slices, tmp_path)
        offered = [real for one in slices for real in one]
        fates = _fates(house, offered)
        shared = _with_a_shared_uid(offered)
        assert 0 <= fates["delivered"] + fates["held"] - sent <= shared, (sent, fates, shared)
        _fates(house, [real for real in files if real not in offered])
        assert fates["delivered"] > 100
        assert fates["held"] > 50
        house.start("work")
        journey.wait_until(lambda: _nothing_moves(house), "all deliveries are over")
        _judge_archive(house, archive, files)
        assert journey.leaks(house, strong_needles(files)) == set()
    finally:
        archive.close()


def echo(house: House) -> bool:
    words = [debian("echoscu"), "-aec", cast.DICOMRCV, "127.0.0.1", str(house.dicom_port)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def first_of_each_uid(files: list[Real]) -> list[Real]:
    """What dcmsend sends of a list: it passes over a UID that it has sent already."""
    return list({real.uid or real.path: real for real in reversed(files)}.values())


def _with_a_shared_uid(files: list[Real]) -> int:
    """Of these we know what became of the UID, not which of the files DCMTK could not send."""
    uses = Counter(real.uid for real in files)
    return sum(count - 1 for count in uses.values())


def _send_four_at_once(house: House, slices: list[list[Real]], tmp_path: Path) -> int:
    """How many heard Success, as DCMTK counted them."""
    reports = [tmp_path / f"report-{n}.txt" for n in range(len(slices))]
    senders = [dcmsend(house, files, report) for files, report in zip(slices, reports, strict=True)]
    for sender in senders:
        sender.wait(timeout=120)
    return sum(int(SENT.findall(report.read_text())[0]) for report in reports)


def _fates(house: House, files: list[Real]) -> Counter[str]:
    """What became of each file; for one that is neither kept nor held, ask again and hear why."""
    new = mapped(house, {real.uid for real in files if real.uid})
    kept = {str(row[0]) for row in journey.rows(house, "SELECT uid FROM studies_instance")}
    held = Counter(str(row[0]) for row in journey.rows(house, "SELECT uid FROM quarantine_helditem"))
    fates: Counter[str] = Counter()
    for real in files:
        uid = new.get(real.uid, "")
        if all(real.header.get(name) for name in UIDS) and (uid in kept or uid in held):
            fates["delivered" if uid in kept else "held"] += 1
        else:
            fates["refused" if _refusal(house, real) else "not sent by DCMTK, taken from our sender"] += 1
    reasons = journey.rows(house, "SELECT reason FROM quarantine_helditem")
    assert all(row[0] for row in reasons)
    return fates


def _refusal(house: House, real: Real) -> str:
    """Why the raw file is not taken, as our own sender hears it; empty if it is taken."""
    meta = real.header.file_meta
    said: list[str] = []
    out = Outgoing(
        0,
        str(meta.MediaStorageSOPClassUID),
        str(meta.get("MediaStorageSOPInstanceUID", "1.2.3.4")),
        str(meta.TransferSyntaxUID),
        real.path,
    )
    peer = Peer(cast.DICOMRCV, "127.0.0.1", house.dicom_port, calling_ae=cast.CT_EAST)
    send(
        peer,
        [out],
        lambda result: said.append("" if result.verdict == "stored" else result.reason),
        lambda: True,
    )
    assert len(said) == 1
    return said[0]


def _nothing_moves(house: House) -> bool:
    moving = "SELECT count(*) FROM deliveries_delivery WHERE state IN ('waiting', 'claimed')"
    early = (
        "SELECT count(*) FROM studies_revision WHERE state IN ('receiving', 'complete')"
        " OR state = 'released' AND id NOT IN (SELECT revision_id FROM deliveries_delivery)"
    )
    return journey.count(house, early) == 0 and journey.count(house, moving) == 0


def _judge_archive(house: House, archive: Orthanc, files: list[Real]) -> None:
    lines = {str(line["destination"]): line for line in journey.ledger(house)}
    assert all(line["difference"] == 0 for line in lines.values())
    assert archive.get("/statistics")["CountInstances"] == lines["research-pacs"]["delivered"]
    assert lines["outbox"]["delivered"] == journey.count(house, "SELECT count(*) FROM studies_instance")
    by_uid: dict[str, list[Real]] = {}
    for real in files:
        by_uid.setdefault(real.uid, []).append(real)
    new = mapped(
        house, {str(real.header[name].value) for real in files for name in MAPPED if real.header.get(name)}
    )
    back = {pseudonymous: uid for uid, pseudonymous in new.items()}
    for content in archive.files():
        image = dcmread(BytesIO(content))
        _judge_image(image, by_uid[back[str(image.SOPInstanceUID)]], new)


def _judge_image(image: Dataset, originals: list[Real], new: dict[str, str]) -> None:
    assert str(image.PatientID).startswith("ANON-")
    assert image.PatientIdentityRemoved == "YES"
    twins = [one for one in (dcmread(real.path) for real in originals) if same_pixels(one, image)]
    assert twins, f"the pixels of none of {[real.path.name for real in originals]}"
    for name in (name for name in MAPPED if twins[0].get(name)):
        assert str(image[name].value) == new[str(twins[0][name].value)]

"""DCMTK's findscu asks, and understands."""

import re
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from pydicom import dcmread

from tests.network.people import run
from tests.retrieval.query import filled, oracle
from tests.retrieval.query.filled import Image

pytestmark = pytest.mark.peers
ADA = filled.PERSONS[0][0]


def asked(port: int, *arguments: object, calling: str = "WARD") -> CompletedProcess[str]:
    return run("findscu", "-v", "-aet", calling, "-aec", "DEFAULT", *arguments, "127.0.0.1", port)


def found(port: int, folder: Path, model: str, level: str, *keys: str) -> tuple[set[str], str]:
    arguments = [part for key in (f"QueryRetrieveLevel={level}", *keys) for part in ("-k", key)]
    said = run(
        "findscu",
        "-v",
        model,
        "-aet",
        "WARD",
        "-aec",
        "DEFAULT",
        "-X",
        "-od",
        folder,
        *arguments,
        "127.0.0.1",
        port,
    )
    assert said.returncode == 0, said.stdout
    files = [dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]
    return {str(one[oracle.UNIQUE[level]].value) for one in files}, said.stdout


@pytest.mark.parametrize(
    ("model", "level", "keys"),
    [
        ("-P", "PATIENT", ("PatientName=anon-a*", "PatientID")),
        ("-P", "STUDY", (f"PatientID={ADA}", "StudyInstanceUID", "StudyDate=-20240115")),
        ("-S", "STUDY", ("StudyInstanceUID", "ModalitiesInStudy=PT", "NumberOfStudyRelatedInstances")),
        ("-S", "STUDY", ("StudyInstanceUID=1.2.1.0\\1.2.1.2",)),
        ("-S", "SERIES", ("StudyInstanceUID=1.2.1.2", "SeriesInstanceUID", "Modality=?T")),
        ("-S", "IMAGE", ("StudyInstanceUID=1.2.1.2", "SeriesInstanceUID=1.2.1.2.0", "SOPInstanceUID")),
    ],
    ids=repr,
)
def test_it_finds_what_there_is(
    port: int, stock: list[Image], tmp_path: Path, model: str, level: str, keys: tuple[str, ...]
) -> None:
    uids, said = found(port, tmp_path, model, level, *keys)
    wanted = {key: value for key, _, value in (one.partition("=") for one in keys) if value}
    visible = [image for image in stock if image["project"] == "default"]
    assert uids == oracle.expected(visible, level, wanted)
    assert uids
    assert re.search(r"Received Final Find Response \(Success\)", said)


@pytest.mark.parametrize("step", ["SPS-1", "SPS-?", "SPS-9", ""])
def test_it_asks_within_a_sequence(port: int, stock: list[Image], tmp_path: Path, step: str) -> None:
    keys = ["StudyInstanceUID=1.2.1.5", "SeriesInstanceUID"]
    keys.append(f"RequestAttributesSequence[0].ScheduledProcedureStepID={step}")
    keys.append("RequestAttributesSequence[0].RequestedProcedureID")
    uids, _ = found(port, tmp_path, "-S", "SERIES", *keys)
    asked_: Any = {"ScheduledProcedureStepID": step, "RequestedProcedureID": ""}
    wanted: Any = {"StudyInstanceUID": "1.2.1.5", "RequestAttributesSequence": asked_}
    visible = [image for image in stock if image["project"] == "default"]
    assert uids == oracle.expected(visible, "SERIES", wanted)
    assert bool(uids) == (step != "SPS-9")
    answers = [dcmread(path, force=True) for path in tmp_path.glob("rsp*.dcm")]
    items = [item for one in answers for item in one.RequestAttributesSequence]
    assert all(set(item.dir()) == set(asked_) for item in items)
    assert any(item.RequestedProcedureID for item in items) == bool(uids)


def test_it_may_stop_early(port: int, tmp_path: Path) -> None:
    arguments = ("-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID", "--cancel", "1")
    said = asked(port, "-S", *arguments)
    assert said.returncode == 0
    assert "Find Response" in said.stdout


def test_promise_1_a_stranger_is_refused(port: int) -> None:
    said = run(
        "findscu",
        "-S",
        "-aet",
        "NOBODY",
        "-aec",
        "DEFAULT",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "127.0.0.1",
        port,
    )
    assert said.returncode != 0
    assert "No Acceptable Presentation Contexts" in said.stdout

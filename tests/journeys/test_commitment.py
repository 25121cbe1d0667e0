"""A modality deletes what is committed: Orthanc sends, asks, and is called with the result, whatever dies meanwhile."""

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.management import test_serve as serve
from tests.peers.orthanc import Orthanc

pytestmark = [pytest.mark.journey, pytest.mark.peers]

UNKNOWN = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": "1.2.3.4.5.6"}
NO_SUCH_INSTANCE = 0x0112


@pytest.fixture
def modality(house: House, tmp_path: Path) -> Iterator[Orthanc]:
    postern = {"AET": cast.DICOMRCV, "Host": "127.0.0.1", "Port": house.dicom_port}
    orthanc = Orthanc(tmp_path / "orthanc", {"DicomModalities": {"POSTERN": postern}})
    yield orthanc
    orthanc.close()


def post(orthanc: Orthanc, path: str, body: bytes | object) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{orthanc.http_port}{path}", data=data, method="POST")
    with urllib.request.urlopen(request, timeout=150) as answer:
        return json.loads(answer.read())


def configured(house: House, modality: Orthanc, commit_when: str) -> None:
    text = f"""
projects: [{{name: default}}]
nodes: [{{name: MODALITY, ae_title: {cast.ARCHIVE}, host: 127.0.0.1, port: {modality.dicom_port}, may: [store]}}]
destinations: [{{name: outbox, kind: folder, path: outbox}}]
routes: [{{called_ae: DICOMRCV, project: default, destinations: [outbox], commit_when: {commit_when}}}]
"""
    (house.folder / "site.yaml").write_text(text)
    result = house.command("configure", str(house.folder / "site.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr


def sent(modality: Orthanc, instance: int) -> dict[str, str]:
    """An image that the modality had, and we have now."""
    image = cast.ct(cast.StudyPlan(), instance=instance)
    known = post(modality, "/instances", cast.part10(image))["ID"]
    journey.wait_until(lambda: _stored(modality, known), "we take its image")
    return {"SOPClassUID": str(image.SOPClassUID), "SOPInstanceUID": str(image.SOPInstanceUID)}


def _stored(modality: Orthanc, known: str) -> bool:
    """False while it holds on to an association with a process that was killed."""
    try:
        answer = post(modality, "/modalities/POSTERN/store", [known])
    except urllib.error.HTTPError:
        return False
    return bool(answer["FailedInstancesCount"] == 0)


def asked(modality: Orthanc, *instances: dict[str, str]) -> str:
    body = {"DicomInstances": list(instances)}
    return str(post(modality, "/modalities/POSTERN/storage-commitment", body)["Path"])


def heard(modality: Orthanc, path: str) -> dict[str, Any]:
    journey.wait_until(lambda: modality.get(path)["Status"] != "Pending", "the modality hears")
    return dict(modality.get(path))


def kill(house: House, *names: str) -> None:
    for name in names:
        for pid in serve.processes(house, name):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(600)
def test_promise_2_and_12_what_was_asked_is_answered_over_a_crash(house: House, modality: Orthanc) -> None:
    configured(house, modality, "stored")
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    first, second = sent(modality, 1), sent(modality, 2)
    all_there = asked(modality, first, second)
    one_unknown = asked(modality, first, UNKNOWN)
    kill(house, "listen")
    house.start("work")
    answer = heard(modality, all_there)
    assert (answer["Status"], len(answer["Success"]), answer["Failures"]) == ("Success", 2, [])
    answer = heard(modality, one_unknown)
    assert (answer["Status"], len(answer["Success"])) == ("Failure", 1)
    assert [one["FailureReason"] for one in answer["Failures"]] == [NO_SUCH_INSTANCE]
    journey.wait_until(
        lambda: journey.count(house, "SELECT count(*) FROM retrieval_commitment WHERE state='told'") == 2,
        "told",
    )
    uids = [first["SOPInstanceUID"], second["SOPInstanceUID"]]
    assert journey.leaks(house, [*cast.NEEDLES, *uids]) == set()


@pytest.mark.timeout(600)
def test_committed_once_delivered(house: House, modality: Orthanc) -> None:
    configured(house, modality, "delivered")
    house.start("listen", DICOM_STUDY_TIMEOUT="600")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    path = asked(modality, sent(modality, 1))
    work = house.start("work", DICOM_STUDY_TIMEOUT="600")
    heard(modality, asked(modality, UNKNOWN))  # so the workers have looked at what is to be answered
    assert modality.get(path)["Status"] == "Pending"
    work.terminate()
    work.wait(100)
    house.env["DICOM_STUDY_TIMEOUT"] = "1"
    kill(house, "listen")
    house.start("listen")
    journey.wait_until(lambda: serve.is_open(house.dicom_port), "we listen")
    sent(modality, 2)  # brings the study's quiet time forward
    house.start("work")
    assert heard(modality, path)["Status"] == "Success"
    assert len(journey.dicom_files(house.data / "outbox")) == 2

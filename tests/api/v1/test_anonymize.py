"""`POST /v1/anonymize`: bad input first; then that what comes out is clean, named, counted, charged and marked."""

import gzip
import hashlib
import hmac
import io
import json
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from pydicom import dcmread

from proxy.audit.actions import PSEUDONYMIZED
from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.quarantine.models import HeldItem
from proxy.service import seats, spool
from proxy.service.models import Job
from proxy.service.packing import Zip
from proxy.storage.errors import StorageFull
from proxy.studies.models import Instance
from proxy.tiers.models import Usage
from proxy.tiers.table import ENTERPRISE, PRO
from proxy.vault.models import Person, Seal
from tests import cast
from tests.api.conftest import data
from tests.api.test_doors import is_problem
from tests.api.v1.service import ANONYMIZE, Sender, a_sender, counted, unpacked
from tests.cast import ADA, BEN, NEEDLES, StudyPlan
from tests.service.sending import form

__all__ = ["data"]

CT = cast.part10(cast.ct())
BURNED = cast.part10(cast.ct(StudyPlan(number=5, extra={"BurnedInAnnotation": "YES"})))
ZIP = "application/zip"


@pytest.fixture
def sender(db: None) -> Sender:
    return a_sender()


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def spelled(content: bytes) -> list[str]:
    return [one for one in NEEDLES if any(form in content for form in cast.spellings(one))]


# --- what is refused ----------------------------------------------------------------------------------


def test_without_a_key_nothing_is_read(db: None) -> None:
    for headers in ({}, {"X-API-Key": "0" * 32}, {"X-API-Key": "ä"}):
        body, kind = form([CT])
        answer = Client().generic("POST", ANONYMIZE, body, content_type=kind, headers=headers)
        assert is_problem(answer, 401, "not-authenticated")


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("application/json", 415, "wrong-type"),
        ("text/plain", 415, "wrong-type"),
        ("", 415, "wrong-type"),
        ("image/jpeg; name=Exampleova", 415, "wrong-type"),
        ("multipart/mixed; boundary=b", 415, "wrong-type"),
        ("multipart/form-data", 400, "malformed"),
        ('multipart/form-data; boundary="\x01"', 400, "malformed"),
        ("multipart/form-data; boundary=other", 400, "cut"),
    ],
)
def test_wrong_kinds(sender: Sender, kind: str, status: int, code: str) -> None:
    answer = sender.post(form([CT], boundary="b")[0], kind)
    assert is_problem(answer, status, code)
    assert not spelled(answer.content)
    assert sender.charged == 0


def test_a_body_that_is_encoded_is_not_guessed_at(sender: Sender) -> None:
    answer = sender.post(gzip.compress(CT), "application/dicom", Content_Encoding="gzip")
    assert is_problem(answer, 415, "encoded")


def test_an_empty_body_and_an_empty_form(sender: Sender) -> None:
    assert is_problem(sender.post(b"", "application/zip"), 422, "nothing-usable")
    assert is_problem(sender.send([]), 400, "no-files")
    assert is_problem(sender.post(zipped({}), ZIP), 400, "no-files")


def test_a_body_that_is_cut_leaves_nothing(sender: Sender, data: Path) -> None:
    body, kind = form([CT, CT])
    answer = sender.post(body[:-200], kind)
    assert is_problem(answer, 400, "cut")
    assert sender.charged == 0 and not list(spool.folder().iterdir())


def test_declared_too_large(sender: Sender, settings: LazySettings) -> None:
    headers = {"X-API-Key": sender.key}
    answer = Client().generic(
        "POST",
        ANONYMIZE,
        b"x",
        content_type="application/dicom",
        headers=headers,
        CONTENT_LENGTH=str(10 << 30),
    )
    assert is_problem(answer, 413, "too-large")  # of its tier
    settings.SERVICE_UPLOAD_LIMIT = 1
    answer = sender.post(b"x" * (1 << 21), "application/dicom")
    assert is_problem(answer, 413, "too-large")  # of the house


def test_unpacked_too_large_and_too_many(sender: Sender, settings: LazySettings) -> None:
    settings.SERVICE_UNPACKED_LIMIT = 1
    large = {"a": cast.part10(cast.ct(size=1_024))}
    for body, kind in (
        (zipped(large), ZIP),
        (tarred(large), "application/gzip"),
    ):
        assert is_problem(sender.post(body, kind), 413, "too-large")
    settings.SERVICE_FILES_LIMIT = 3
    assert is_problem(sender.send([b"x"] * 4), 413, "too-many")
    assert is_problem(sender.post(zipped({f"{n}": b"x" for n in range(4)}), ZIP), 413, "too-many")
    assert sender.charged == 0


def test_a_disk_without_room(sender: Sender, settings: LazySettings) -> None:
    settings.DISK_WATERMARK = 1 << 40
    answer = sender.send([CT])
    assert is_problem(answer, 503, "no-room") and answer["Retry-After"] == "60"
    assert sender.charged == 0


def test_a_memory_without_room(sender: Sender, settings: LazySettings) -> None:
    settings.DICOM_MEMORY_LIMIT = 0
    assert is_problem(sender.send([CT]), 503, "busy")


def test_when_all_seats_are_taken_the_next_one_is_told(sender: Sender, settings: LazySettings) -> None:
    settings.SERVICE_AT_ONCE = 1
    with seats.taken():
        answer = sender.send([CT])
    assert is_problem(answer, 503, "busy") and answer["Retry-After"] == "5"
    unpacked(sender.send([CT]))
    unpacked(sender.send([CT]))  # it was given back


def test_keys_that_are_gone_close_the_door(sender: Sender, data: Path) -> None:
    (data.parent / "keys" / "master.keys").unlink()
    assert sender.send([CT]).status_code == 503


def test_other_methods(sender: Sender) -> None:
    assert is_problem(sender.get(ANONYMIZE), 405, "wrong-method")


# --- fates --------------------------------------------------------------------------------------------


def test_nothing_usable_is_told_file_by_file_and_marked(sender: Sender) -> None:
    answer = sender.send([BURNED, b"no DICOM", CT[:2_000]])
    assert is_problem(answer, 422, "nothing-usable")
    assert counted(answer) == (0, 2, 1)
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [
        ("files.1", "burned-in"), ("files.2", "not-dicom"), ("files.3", "refused"),
    ]  # fmt: skip
    entry = Entry.objects.get(mac=answer["X-Audit-Sha256"])
    assert entry.detail["failed"] == 2 and entry.detail["burned_in"] == 1
    assert sender.charged == 0 and not spelled(answer.content)


def test_one_bad_file_never_ends_a_request(sender: Sender) -> None:
    second = cast.part10(cast.mr(StudyPlan(patient=BEN, number=2)))
    answer = sender.send([b"x", CT, BURNED, CT[: len(CT) // 2], second])
    found = unpacked(answer)
    assert counted(answer) == (2, 2, 1)
    assert [one["fate"] for one in found.report["files"]] == [
        "not DICOM",
        "clean",
        "burned-in",
        "refused",
        "clean",
    ]
    assert {one["entry"] for one in found.report["files"] if "entry" in one} == set(found.files)
    assert (found.report["processed"], found.report["failed"], found.report["burned_in"]) == (2, 2, 1)
    assert sender.charged == 2


def test_what_goes_out_is_clean_and_named_by_pseudonyms(sender: Sender) -> None:
    body, kind = form([CT], filename=f"{ADA.name}.dcm")
    answer = sender.post(body, kind)
    found = unpacked(answer)
    [(name, content)] = found.files.items()
    image = dcmread(BytesIO(content))
    assert image.PatientIdentityRemoved == "YES"
    assert (
        name
        == f"{image.PatientID}/{image.StudyInstanceUID}/{image.SeriesInstanceUID}/{image.SOPInstanceUID}.dcm"
    )
    assert image.pixel_array.tobytes() == dcmread(BytesIO(CT)).pixel_array.tobytes()
    whole = content + name.encode() + json.dumps(found.report).encode() + str(answer.headers).encode()
    assert not spelled(whole)
    assert answer["Content-Type"] == ZIP and answer["Cache-Control"] == "no-store"


def test_the_sender_can_tell_which_file_it_was_and_nobody_else_can(sender: Sender) -> None:
    body, kind = form([CT], filename="Exampleova.dcm")
    [said] = unpacked(sender.post(body, kind)).report["files"]
    assert said["name"] == hmac.new(sender.key.encode(), b"Exampleova.dcm", hashlib.sha256).hexdigest()


def test_nothing_of_it_stays_but_who_it_was(sender: Sender, data: Path) -> None:
    unpacked(sender.send([CT, BURNED]))
    assert not Instance.objects.exists() and not HeldItem.objects.exists() and not Seal.objects.exists()
    assert not list(spool.folder().iterdir())
    assert Person.objects.filter(project_id=sender.customer.project_id).count() == 1
    assert not [path for path in data.rglob("*") if path.is_file() and spelled(path.read_bytes())]


def test_the_same_input_gives_the_same_output_and_another_customers_does_not(sender: Sender) -> None:
    first, second, other = (unpacked(one.send([CT])).files for one in (sender, sender, a_sender("other")))
    assert first == second
    assert not set(first) & set(other)


def test_the_same_image_twice_has_two_names(sender: Sender) -> None:
    found = unpacked(sender.send([CT, CT, CT]))
    assert len(found.files) == 3 and len(set(found.files.values())) == 1
    assert all(name.endswith(".dcm") for name in found.files)
    assert sender.charged == 3


def test_more_than_a_hundred_files(db: None) -> None:
    sender = a_sender(tier=PRO)
    images = [cast.part10(cast.ct(StudyPlan(), number, size=8)) for number in range(1, 121)]
    answer = sender.send(images)
    assert counted(answer) == (120, 0, 0)
    assert len(unpacked(answer).files) == 120 and sender.charged == 120


@pytest.mark.parametrize("kind", ["zip", "tar", "zip in a form"])
def test_archives_are_unpacked_and_their_names_never_become_paths(sender: Sender, kind: str) -> None:
    files = {
        f"../../{ADA.name}.dcm": CT,
        "/etc/passwd": b"x",
        "C:\\a.dcm": BURNED,
        "inner.zip": zipped({"a": CT}),
    }
    if kind == "tar":
        answer = sender.post(tarred(files), "application/x-tar")
    elif kind == "zip":
        answer = sender.post(zipped(files), ZIP)
    else:
        answer = sender.send([zipped(files)])
    assert counted(answer) == (1, 2, 1)
    found = unpacked(answer)
    assert len(found.files) == 1 and not spelled(json.dumps(found.report).encode())
    assert all(".." not in name and not name.startswith("/") for name in found.files)


def test_one_file_as_it_is(sender: Sender) -> None:
    assert counted(answer := sender.post(CT, "application/dicom")) == (1, 0, 0)
    assert len(unpacked(answer).files) == 1


def test_an_archive_that_breaks_in_its_middle_keeps_what_was_whole(sender: Sender) -> None:
    whole = tarred({"a": CT, "b": CT})
    packed = gzip.compress(gzip.decompress(whole)[: len(CT) + 2_000])
    assert counted(sender.post(packed, "application/gzip")) == (1, 1, 0)


# --- what it costs ------------------------------------------------------------------------------------


def test_a_request_that_would_cross_the_quota_is_refused_whole(sender: Sender) -> None:
    image = cast.part10(cast.ct(size=8))
    unpacked(sender.send([image] * 48))
    answer = sender.send([image] * 3)
    assert is_problem(answer, 429, "quota") and int(answer["Retry-After"]) > 60
    assert sender.charged == 48
    unpacked(sender.send([image, b"x", image]))
    assert sender.charged == 50
    assert is_problem(sender.send([b"x"]), 429, "quota")


def test_only_what_is_clean_is_charged(sender: Sender) -> None:
    unpacked(sender.send([CT, b"x", BURNED]))
    usage = Usage.objects.get(customer=sender.customer)
    assert (usage.files, usage.requests) == (1, 1) and usage.size > len(CT)


@pytest.mark.parametrize("key", [{}, {"Idempotency_Key": "once"}])
def test_nobody_pays_for_an_answer_that_finds_the_disk_full_at_its_end(
    sender: Sender, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(zip: Zip) -> int:
        raise StorageFull

    unpacked(sender.send([CT]))
    with monkeypatch.context() as patch:
        patch.setattr(Zip, "finish", full)
        assert is_problem(sender.send([CT], **key), 503, "no-room")
    assert sender.charged == 1 and Entry.objects.filter(action=PSEUDONYMIZED).count() == 1
    assert not list(spool.folder().iterdir())
    unpacked(sender.send([CT], **key))
    assert sender.charged == 2 and verify().ok


def test_nobody_pays_for_a_job_that_another_process_took_over(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_over(zip: Zip) -> int:
        Job.objects.update(token="another's")
        return 1

    monkeypatch.setattr(Zip, "finish", taken_over)
    assert is_problem(sender.send([CT], Idempotency_Key="once"), 503, "taken-over")
    assert sender.charged == 0 and not Entry.objects.filter(action=PSEUDONYMIZED).exists()


def test_each_request_has_its_entry_in_the_chain(sender: Sender) -> None:
    answer = sender.send([CT, b"x"])
    entry = Entry.objects.get(mac=answer["X-Audit-Sha256"])
    assert entry.action == "service.pseudonymized" and sender.customer.name in entry.actor
    assert sender.key not in json.dumps(entry.detail) + entry.actor
    assert (entry.detail["processed"], entry.detail["failed"]) == (1, 1)
    assert unpacked(answer).report["audit"] == entry.mac
    assert verify().ok


# --- once more ----------------------------------------------------------------------------------------


def test_the_same_request_again_gets_the_same_answer_and_is_charged_once(sender: Sender) -> None:
    answers = [sender.send([CT, b"x"], Idempotency_Key="once") for _ in range(3)]
    assert len({one["X-Audit-Sha256"] for one in answers}) == 1
    assert {counted(one) for one in answers} == {(1, 1, 0)}
    assert len({tuple(sorted(unpacked(one).files)) for one in answers}) == 1
    assert sender.charged == 1


def test_another_body_under_the_same_key_is_refused(sender: Sender) -> None:
    unpacked(sender.send([CT], Idempotency_Key="once"))
    for files in ([CT, CT], [CT + b"\0"], [b"x"], []):
        assert is_problem(sender.send(files, Idempotency_Key="once"), 422, "other-body")
    unpacked(sender.send([CT], Idempotency_Key="twice"))
    unpacked(a_sender("other").send([CT], Idempotency_Key="once"))
    assert sender.charged == 2


@pytest.mark.parametrize("key", ["x" * 256, "Exämple"])
def test_a_key_that_is_none(sender: Sender, key: str) -> None:
    assert sender.send([CT], Idempotency_Key=key).status_code == 400


def test_a_request_that_failed_may_come_again_under_its_key(sender: Sender) -> None:
    assert is_problem(sender.send([BURNED], Idempotency_Key="once"), 422, "nothing-usable")
    unpacked(sender.send([CT], Idempotency_Key="once"))


def test_an_answer_that_finds_no_room_is_given_once(sender: Sender, settings: LazySettings) -> None:
    settings.SERVICE_KEPT_LIMIT = 0
    unpacked(sender.send([CT], Idempotency_Key="once"))
    assert is_problem(sender.send([CT], Idempotency_Key="once"), 410, "answer-gone")
    assert sender.charged == 1 and not list(spool.folder().iterdir())


def test_a_quota_that_is_used_up_keeps_nobody_from_an_answer_that_was_paid(sender: Sender) -> None:
    image = cast.part10(cast.ct(size=8))
    unpacked(sender.send([image] * 50, Idempotency_Key="all"))
    assert is_problem(sender.send([image]), 429, "quota")
    unpacked(sender.send([image] * 50, Idempotency_Key="all"))


def test_no_quota_is_no_limit(db: None) -> None:
    sender = a_sender(tier=ENTERPRISE)
    image = cast.part10(cast.ct(size=8))
    assert counted(sender.send([image] * 60)) == (60, 0, 0)

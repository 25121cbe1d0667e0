"""Bad input first: each trouble has its status, a sentence without identity, and leaves nothing half-written."""

import errno
import logging
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection
from django.test import override_settings
from pydicom.uid import DeflatedExplicitVRLittleEndian

from proxy.deid import Limits, TooDeep, TooInflated, TooLarge, TooMuchToMask
from proxy.network.door import StoreCommand
from proxy.network.statuses import Meaning, explain
from proxy.reception import engines, replies
from proxy.reception.storing import Commit, Written
from proxy.routing.match import RouteFacts
from proxy.storage import direct, space
from proxy.studies.models import Instance, Study
from tests import cast
from tests.aside import changed
from tests.reception.sending import command_for, encode, files, receive, send

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nobody_is_named(caplog: pytest.LogCaptureFixture) -> object:
    """No log line of any of these troubles names anybody."""
    caplog.set_level(logging.DEBUG)
    yield
    assert not [needle for needle in cast.NEEDLES if needle in caplog.text]


def refused(route: RouteFacts, data: bytes, command: StoreCommand, folder: Path) -> int:
    """The status; and nothing of the image is left anywhere."""
    before = files(folder)
    status = receive(route, data, command).status
    assert files(folder) == before
    assert not Instance.objects.exists()
    return status


def test_what_is_no_dicom_cannot_be_understood(route: RouteFacts, data: Path) -> None:
    assert refused(route, b"GET / HTTP/1.1\r\n\r\n" * 20, command_for(cast.ct()), data) == 0xC000


def test_nothing_at_all_is_refused(route: RouteFacts, data: Path) -> None:
    assert refused(route, b"", command_for(cast.ct()), data) in {0xA900, 0xC000}


@pytest.mark.parametrize("kept", [1, 7, 130, 601, -1, -4000])
def test_a_truncated_data_set_cannot_be_understood(route: RouteFacts, data: Path, kept: int) -> None:
    assert refused(route, encode(cast.ct())[:kept], command_for(cast.ct()), data) == 0xC000


def test_wrong_lengths_cannot_be_understood(route: RouteFacts, data: Path) -> None:
    raw = bytearray(encode(cast.ct()))
    at = raw.index(b"\x10\x00\x10\x00PN")
    raw[at + 6 : at + 8] = b"\xff\xfe"
    assert refused(route, bytes(raw), command_for(cast.ct()), data) == 0xC000


def test_a_missing_sop_instance_uid_does_not_match_its_command(route: RouteFacts, data: Path) -> None:
    image = cast.ct()
    command = command_for(image)
    raw = encode(image)
    at = raw.index(b"\x08\x00\x18\x00UI")
    end = at + 8 + int.from_bytes(raw[at + 6 : at + 8], "little")
    assert refused(route, raw[:at] + raw[end:], command, data) == 0xA900


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_without_a_place_in_the_hierarchy_is_refused(
    route: RouteFacts, data: Path, keyword: str
) -> None:
    image = cast.ct()
    setattr(image, keyword, "")
    assert refused(route, encode(image), command_for(image), data) == 0xA900


def test_uids_of_command_and_data_set_that_differ_are_refused(route: RouteFacts, data: Path) -> None:
    assert refused(route, encode(cast.ct(instance=1)), command_for(cast.ct(instance=2)), data) == 0xA900
    assert refused(route, encode(cast.ct()), command_for(cast.mr()), data) == 0xA900


@pytest.mark.parametrize("nobody", ["", "UNKNOWN", "0", "   "])
def test_an_empty_patient_id_makes_a_person_for_each_study(route: RouteFacts, nobody: str) -> None:
    for number in (1, 2):
        image = cast.ct(cast.StudyPlan(number=number))
        image.PatientID = nobody
        assert send(route, image) == 0
    first, second = Study.objects.values_list("patient", flat=True)
    assert first != second


def test_promise_1_without_a_key_file_nothing_is_received(
    route: RouteFacts, data: Path, tmp_path: Path
) -> None:
    assert send(route, cast.ct(instance=1)) == 0
    Instance.objects.all().delete()
    for name in ("master.keys", "index.key"):
        key = tmp_path / "keys" / name
        content = key.read_bytes()
        key.unlink()
        assert refused(route, encode(cast.ct(instance=2)), command_for(cast.ct(instance=2)), data) == 0x0110
        key.write_bytes(content)
        key.chmod(0o600)


def test_promise_1_without_a_recipe_nothing_is_received(route: RouteFacts, data: Path) -> None:
    lost = RouteFacts(1, "DICOMRCV", "", route.project_id, "default", "/nowhere/recipe.yaml", "", (), False)
    assert refused(lost, encode(cast.ct()), command_for(cast.ct()), data) == 0x0110


def test_a_full_disk_is_out_of_resources(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(f_bavail=10, f_frsize=4096)
    monkeypatch.setattr(space, "os", changed(os, statvfs=lambda path: full))
    assert refused(route, encode(cast.ct()), command_for(cast.ct()), data) == 0xA700
    monkeypatch.undo()
    space._seen.clear()
    assert send(route, cast.ct()) == 0


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing_half_written(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    written: list[int] = []

    def until_full(handle: int, buffer: memoryview) -> int:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(write(handle, buffer[:100]))
        return written[0]

    monkeypatch.setattr(direct, "os", changed(os, write=until_full))
    assert refused(route, encode(cast.ct()), command_for(cast.ct()), data) == 0xA700
    assert written


class Away:
    """A database that went away between the file and the commit."""

    def commit(self, job: Commit) -> Written:
        raise OperationalError("server closed the connection; DETAIL: Exampleova")


def test_a_database_that_is_away_is_out_of_resources(route: RouteFacts, data: Path) -> None:
    reply = receive(route, encode(cast.ct()), command_for(cast.ct()), commits=Away())
    assert reply.status == 0xA700
    assert files(data) == []


@pytest.mark.django_db(transaction=True)
def test_after_a_lost_connection_the_next_image_has_another_one(route: RouteFacts) -> None:
    assert send(route, cast.ct()) == 0
    connection.connection.close()
    assert send(route, cast.ct(instance=2)) == 0xA700
    assert send(route, cast.ct(instance=2)) == 0


class Broken:
    def commit(self, job: Commit) -> Written:
        raise RuntimeError(f"surprise about {cast.ADA.name}")


def test_a_surprise_is_our_fault_and_is_not_quoted(
    route: RouteFacts, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reply = receive(route, encode(cast.ct()), command_for(cast.ct()), commits=Broken())
    assert reply.status == 0x0110
    assert "RuntimeError" in caplog.text
    assert files(data) == []


def test_a_header_over_its_limit_is_refused(route: RouteFacts, data: Path) -> None:
    image = cast.ct()
    image.TextValue = "x" * (2 << 20)
    engines._engines.clear()
    with override_settings(HEADER_LIMIT=1):
        assert refused(route, encode(image), command_for(image), data) == 0xC000
    engines._engines.clear()


LEVEL = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"


def test_whoever_nests_too_deeply_is_not_asked_to_come_again(route: RouteFacts, data: Path) -> None:
    """0xA700 would have the sender repeat for ever what can never pass."""
    reply = receive(route, LEVEL * 100, command_for(cast.ct()))
    assert (reply.status, reply.comment) == (0xC000, "Nested too deeply")
    assert files(data) == []


def test_a_deflated_bomb_is_not_asked_to_come_again(
    route: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "Limits", lambda header: Limits(header=header, inflated=1 << 20))
    engines._engines.clear()
    image = cast.ct()
    image.TextValue = "x" * (2 << 20)
    bomb = encode(image, DeflatedExplicitVRLittleEndian)
    reply = receive(route, bomb, command_for(image, DeflatedExplicitVRLittleEndian))
    engines._engines.clear()
    assert (reply.status, reply.comment) == (0xC000, "Inflates over the limit")
    assert files(data) == []


BOUNDS = (TooLarge, TooDeep, TooInflated, TooMuchToMask)


@pytest.mark.parametrize("kind", BOUNDS)
def test_each_bound_says_which_it_is_and_to_stop(kind: type[TooLarge]) -> None:
    answer = replies.answer_to(kind("at (0008,1115)"))
    assert explain(answer.reply.status).meaning is Meaning.REFUSED
    others = {replies.answer_to(other("")).reply.comment for other in BOUNDS if other is not kind}
    assert answer.reply.comment not in others
    assert len(answer.reply.comment) <= 64


def test_a_caller_whom_the_configuration_has_just_shut_out_is_refused(data: Path) -> None:
    assert receive(None, encode(cast.ct()), command_for(cast.ct())).status == 0x0124
    assert files(data) == []

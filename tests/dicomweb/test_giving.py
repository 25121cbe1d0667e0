"""WADO-RS, whole images: for the pseudonymous view the files as they lie, for the identified one what was sent."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import BytesParser
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import LazySettings
from django.conf import settings as house
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    RLELossless,
)

from proxy.api import doors
from proxy.audit.models import Entry
from proxy.deid import split
from proxy.dicomweb import doors as ours
from proxy.dicomweb.giving import instances, streaming
from proxy.dicomweb.giving.forms import EXPLICIT, Form
from proxy.dicomweb.giving.instances import Cut
from proxy.dicomweb.giving.multipart import Multipart
from proxy.routing.match import load_table
from proxy.studies.models import Instance, Revision, Study
from proxy.vault.models import Seal
from tests import cast
from tests.cast import BEN, StudyPlan
from tests.dicomweb.conftest import Site
from tests.reception.sending import encode, send

pytestmark = [pytest.mark.django_db]
RELATED = 'multipart/related; type="application/dicom"'
PLAN = StudyPlan()


@dataclass(frozen=True)
class Shelf:
    """Ada's study of three images and Ben's of one, received; what was sent, by original SOP Instance UID."""

    site: Site
    sent: dict[str, bytes]

    @property
    def study(self) -> Study:
        return Study.objects.order_by("pk")[0]

    def rows(self) -> list[Instance]:
        return list(Instance.objects.filter(revision__study=self.study).order_by("series_id", "ordinal"))

    def path_of(self, row: Instance) -> str:
        return f"studies/{self.study.uid}/series/{row.series.uid}/instances/{row.uid}"

    def get(self, path: str, accept: str = "", node: str = "VIEWER", **headers: Any) -> Any:
        said = {"HTTP_ACCEPT": accept} if accept else {}
        return self.site.client.get(f"/dicomweb/{path}", **{**self.site.headers(node), **said, **headers})


def images() -> list[Dataset]:
    return [
        cast.ct(PLAN),
        cast.ct(PLAN, 2),
        cast.pet(PLAN, 1, series=2),
        cast.ct(StudyPlan(patient=BEN, number=2)),
    ]


@pytest.fixture
def shelf(site: Site) -> Shelf:
    route = load_table().route_for("DICOMRCV", "CT_EAST")
    assert route is not None
    for image in images():
        assert send(route, image) == 0
    return Shelf(site, {str(one.SOPInstanceUID): encode(one) for one in images()})


def file_of(row: Instance) -> Path:
    return Path(house.DICOM_STORAGE_DIR) / "studies" / row.path


def parts(answer: Any) -> list[tuple[str, bytes]]:
    """Content-Type and content of each, as a mail program would read them."""
    assert answer.status_code == 200, answer.getvalue()
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    body = answer.getvalue()
    message = BytesParser().parsebytes(head + body)
    boundary = message.get_boundary()
    assert boundary
    assert body.endswith(f"\r\n--{boundary}--\r\n".encode())
    found = []
    for part in body.split(f"--{boundary}".encode())[1:-1]:
        headers, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found.append((headers.decode().partition(": ")[2], content.removesuffix(b"\r\n")))
    if "Content-Length" in answer.headers:
        assert int(answer.headers["Content-Length"]) == len(body)
    return found


class TestPseudonymous:
    def test_every_level_gives_the_files_as_they_lie(self, shelf: Shelf) -> None:
        rows = shelf.rows()
        series = f"studies/{shelf.study.uid}/series/{rows[0].series.uid}"
        for path, some in (
            (f"studies/{shelf.study.uid}", rows),
            (series, rows[:2]),
            (shelf.path_of(rows[0]), rows[:1]),
        ):
            for accept in ("", "*/*", RELATED, f"{RELATED}; transfer-syntax=*"):
                got = parts(shelf.get(path, accept))
                assert [content for _, content in got] == [file_of(row).read_bytes() for row in some]
                assert {media for media, _ in got} == {f"application/dicom; transfer-syntax={EXPLICIT}"}
        told = Entry.objects.filter(action="images.given").order_by("pk")
        assert told[0].detail == {"level": "STUDY", "given": 3, "failed": 0, "over": "dicomweb"}
        assert told[0].actor == "node VIEWER"

    def test_promise_8_nothing_of_the_patient_is_in_it(self, shelf: Shelf) -> None:
        body = shelf.get(f"studies/{shelf.study.uid}").getvalue()
        assert not [needle for needle in cast.NEEDLES if needle.encode() in body]

    def test_one_image_alone(self, shelf: Shelf) -> None:
        row = shelf.rows()[0]
        answer = shelf.get(shelf.path_of(row), "application/dicom")
        assert answer.getvalue() == file_of(row).read_bytes()
        assert answer.headers["Content-Type"] == f"application/dicom; transfer-syntax={EXPLICIT}"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert shelf.get(f"studies/{shelf.study.uid}", "application/dicom").status_code == 406

    @pytest.mark.parametrize(
        ("wanted", "start", "end"),
        [
            ("bytes=0-9", 0, 10),
            ("bytes=100-", 100, None),
            ("bytes=-7", -7, None),
            ("bytes=5-999999999", 5, None),
        ],
    )
    def test_a_range_of_it(self, shelf: Shelf, wanted: str, start: int, end: int | None) -> None:
        row = shelf.rows()[0]
        whole = file_of(row).read_bytes()
        answer = shelf.get(shelf.path_of(row), "application/dicom", HTTP_RANGE=wanted)
        first = start % len(whole)
        assert (answer.status_code, answer.getvalue()) == (206, whole[start:end])
        assert answer.headers["Content-Range"] == f"bytes {first}-{(end or len(whole)) - 1}/{len(whole)}"

    def test_a_range_that_is_none(self, shelf: Shelf) -> None:
        row = shelf.rows()[0]
        size = file_of(row).stat().st_size
        answer = shelf.get(shelf.path_of(row), "application/dicom", HTTP_RANGE=f"bytes={size}-")
        assert (answer.status_code, answer.headers["Content-Range"]) == (416, f"bytes */{size}")
        for odd in ("lines=1-2", "bytes=5-2", "bytes=a-b", "bytes=0-1,4-5", "bytes=-"):
            assert shelf.get(shelf.path_of(row), "application/dicom", HTTP_RANGE=odd).status_code == 200

    def test_what_is_not_there(self, shelf: Shelf) -> None:
        row = shelf.rows()[0]
        other = Study.objects.order_by("pk")[1]
        for path in (
            "studies/1.2.3",
            f"studies/{PLAN.uid}",
            f"studies/{other.uid}/series/{row.series.uid}",
            shelf.path_of(row) + ".9",
            f"{shelf.path_of(row)}.9/metadata",
            f"{shelf.path_of(row)}.9/rendered",
            f"{shelf.path_of(row)}.9/frames/1",
            f"{shelf.path_of(row)}/nonsense",
        ):
            assert shelf.get(path).status_code == 404, path
        assert shelf.get("studies/1..2").status_code == 400

    def test_another_project_s_and_held_ones_are_out_of_sight(self, shelf: Shelf) -> None:
        Revision.objects.update(state="review")
        assert shelf.get(f"studies/{shelf.study.uid}").status_code == 404

    def test_who_may_not_retrieve_hears_so(self, shelf: Shelf) -> None:
        for path in ("", "/metadata", "/rendered"):
            assert shelf.get(f"studies/{shelf.study.uid}{path}", node="MUTE").status_code == 403
            assert shelf.site.client.get(f"/dicomweb/studies/{shelf.study.uid}{path}").status_code == 401

    @pytest.mark.django_db(transaction=True)
    def test_a_file_that_is_gone_ends_the_answer_and_no_study_comes_short(self, shelf: Shelf) -> None:
        file_of(shelf.rows()[1]).unlink()
        answer = shelf.get(f"studies/{shelf.study.uid}")
        with pytest.raises(Cut):
            answer.getvalue()
        answer.close()
        assert Entry.objects.filter(action="images.given").latest("pk").detail["failed"] == 1
        file_of(shelf.rows()[0]).unlink()
        answer = shelf.get(f"studies/{shelf.study.uid}")
        assert (answer.status_code, json.loads(answer.content)["code"]) == (500, "not-given")

    def test_what_expires_meanwhile_ends_the_answer(
        self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        answer = shelf.get(f"studies/{shelf.study.uid}")
        monkeypatch.setattr(instances.Sending, "_mind_the_count", _cut)
        with pytest.raises(Cut):
            answer.getvalue()

    @pytest.mark.django_db(transaction=True)
    def test_of_a_head_only_headers_leave(self, shelf: Shelf) -> None:
        """And a Content-Length is that of a GET, or there is none (RFC 9110 8.6)."""
        for path in ("", "/metadata", "/frames/1", "/rendered"):
            address = f"/dicomweb/{shelf.path_of(shelf.rows()[0])}{path}"
            answer = shelf.site.client.head(address, **shelf.site.headers("VIEWER"))
            assert (answer.status_code, answer.getvalue()) == (200, b"")
            length = answer.headers.get("Content-Length")
            got = shelf.site.client.get(address, **shelf.site.headers("VIEWER"))
            assert length in (None, str(len(got.getvalue()))), path


def _cut(self: object, tally: object) -> None:
    raise Cut("test")


class TestSyntaxes:
    """What may be asked for, what is stored, and what comes then."""

    @pytest.mark.parametrize(
        ("wanted", "stored", "leaves"),
        [
            (("",), ExplicitVRLittleEndian, EXPLICIT),
            (("",), ImplicitVRLittleEndian, EXPLICIT),
            (("*",), ImplicitVRLittleEndian, EXPLICIT),
            (("*",), ExplicitVRBigEndian, EXPLICIT),
            (("*",), RLELossless, RLELossless),
            (("",), RLELossless, EXPLICIT),
            ((EXPLICIT,), JPEGBaseline8Bit, EXPLICIT),
            ((JPEGBaseline8Bit, EXPLICIT), JPEGBaseline8Bit, JPEGBaseline8Bit),
            ((JPEGBaseline8Bit,), RLELossless, None),
            ((JPEGBaseline8Bit,), ExplicitVRLittleEndian, None),
            ((ImplicitVRLittleEndian,), ImplicitVRLittleEndian, None),
            (("",), "1.2.840.10008.1.2.4.100", None),
            (("*",), "1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.100"),
            (
                (DeflatedExplicitVRLittleEndian,),
                DeflatedExplicitVRLittleEndian,
                DeflatedExplicitVRLittleEndian,
            ),
            (("nonsense",), ExplicitVRLittleEndian, None),
        ],
    )
    def test_forms(self, wanted: tuple[str, ...], stored: str, leaves: str | None) -> None:
        assert Form(wanted).of(stored) == leaves

    @pytest.mark.parametrize(
        "stored", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
    )
    def test_who_names_none_gets_explicit_little_endian(self, site: Site, stored: str) -> None:
        image = received(site, stored)
        row = Instance.objects.get()
        answer = Shelf(site, {}).get(f"studies/{Study.objects.get().uid}")
        [(media, content)] = parts(answer)
        assert media == f"application/dicom; transfer-syntax={EXPLICIT}"
        got = dcmread(BytesIO(content))
        assert (got.file_meta.TransferSyntaxUID, got.SOPInstanceUID) == (EXPLICIT, row.uid)
        assert got.pixel_array.tolist() == image.tolist()

    def test_who_takes_anything_gets_what_is_stored(self, site: Site) -> None:
        received(site, RLELossless)
        row = Instance.objects.get()
        answer = Shelf(site, {}).get(f"studies/{Study.objects.get().uid}", f"{RELATED}; transfer-syntax=*")
        assert parts(answer) == [
            (f"application/dicom; transfer-syntax={RLELossless}", file_of(row).read_bytes())
        ]

    def test_what_cannot_be_made_is_not_acceptable(self, shelf: Shelf) -> None:
        answer = shelf.get(f"studies/{shelf.study.uid}", f"{RELATED}; transfer-syntax={JPEGBaseline8Bit}")
        assert answer.status_code == 406
        answer = shelf.get(
            f"studies/{shelf.study.uid}",
            f"{RELATED}; transfer-syntax={JPEGBaseline8Bit}, {RELATED}; transfer-syntax={EXPLICIT}; q=0.5",
        )
        assert len(parts(answer)) == 3


def received(site: Site, syntax: str) -> Any:
    """One image in this transfer syntax; its pixels."""
    image = cast.ct(PLAN)
    native = image.pixel_array
    if syntax == ExplicitVRBigEndian:
        image.PixelData = native.astype(">u2").tobytes()
    elif syntax == RLELossless:
        image.compress(RLELossless, generate_instance_uid=False)
    route = load_table().route_for("DICOMRCV", "CT_EAST")
    assert route is not None
    assert send(route, image, syntax) == 0
    return native


class TestIdentified:
    @pytest.mark.parametrize(
        ("path", "count"),
        [
            (f"studies/{PLAN.uid}", 3),
            (f"studies/{PLAN.uid}/series/{PLAN.series_uid(1)}", 2),
            (f"studies/{PLAN.uid}/series/{PLAN.series_uid(1)}/instances/{PLAN.sop_uid(2)}", 1),
        ],
    )
    def test_promise_6_what_was_sent_comes_back_byte_for_byte(
        self, shelf: Shelf, path: str, count: int
    ) -> None:
        got = parts(shelf.get(path, node="WARD"))
        assert len(got) == count
        for _, content in got:
            uid = str(dcmread(BytesIO(content), stop_before_pixels=True).SOPInstanceUID)
            assert bytes(split(content).dataset) == shelf.sent[uid]
        marks = Entry.objects.filter(action="identity.instance-restored")
        assert [(one.actor, one.purpose, one.detail["instances"]) for one in marks] == [
            ("node WARD", "care", count)
        ]

    def test_one_image_alone_has_no_ranges(self, shelf: Shelf) -> None:
        path = f"studies/{PLAN.uid}/series/{PLAN.series_uid(1)}/instances/{PLAN.sop_uid(2)}"
        answer = shelf.get(path, "application/dicom", node="WARD", HTTP_RANGE="bytes=0-9")
        assert answer.status_code == 200
        assert bytes(split(answer.getvalue()).dataset) == shelf.sent[PLAN.sop_uid(2)]

    def test_a_seal_that_is_gone_ends_the_answer(self, shelf: Shelf) -> None:
        Seal.objects.filter(sop_uid=shelf.rows()[2].uid).delete()
        with pytest.raises(Cut):
            shelf.get(f"studies/{PLAN.uid}", node="WARD").getvalue()

    def test_so_many_persons_an_hour_and_no_more(self, shelf: Shelf, settings: LazySettings) -> None:
        settings.IDENTITY_PERSONS_PER_HOUR = 1
        assert shelf.get(f"studies/{PLAN.uid}", node="WARD").status_code == 200
        other = StudyPlan(patient=BEN, number=2)
        assert shelf.get(f"studies/{other.uid}", node="WARD").status_code == 429

    @pytest.mark.parametrize("more", ["", "/metadata", "/rendered", "/series", "/nonsense"])
    def test_promise_8_nobody_in_front_keeps_a_copy(self, shelf: Shelf, more: str) -> None:
        answer = shelf.get(f"studies/{PLAN.uid}{more}", node="WARD")
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers.get("X-Accel-Buffering") == (None if answer.status_code == 404 else "no")

    def test_never_in_clear(self, shelf: Shelf) -> None:
        answer = shelf.get(f"studies/{PLAN.uid}", node="WARD", HTTP_X_FORWARDED_FOR="10.1.2.3")
        assert answer.status_code == 403


class TestMetadata:
    def test_of_all_levels(self, shelf: Shelf) -> None:
        rows = shelf.rows()
        for path, some in (
            (f"studies/{shelf.study.uid}", rows),
            (f"studies/{shelf.study.uid}/series/{rows[0].series.uid}", rows[:2]),
            (shelf.path_of(rows[0]), rows[:1]),
        ):
            answer = shelf.get(f"{path}/metadata")
            assert answer.headers["Content-Type"] == "application/dicom+json"
            said = json.loads(answer.getvalue())
            assert [one["00080018"]["Value"][0] for one in said] == [row.uid for row in some]
            assert {one["00100020"]["Value"][0] for one in said} == {shelf.study.patient}

    def test_bulk_data_is_where_it_says(self, shelf: Shelf) -> None:
        row = shelf.rows()[0]
        [said] = json.loads(shelf.get(f"{shelf.path_of(row)}/metadata").getvalue())
        where = said["7FE00010"]["BulkDataURI"]
        assert where == f"http://testserver/dicomweb/{shelf.path_of(row)}/bulkdata/7FE00010"
        path = where.removeprefix("http://testserver/dicomweb/")
        pixels = dcmread(file_of(row)).PixelData
        answer = shelf.get(path, "application/octet-stream")
        assert (answer.getvalue(), answer.headers["Accept-Ranges"]) == (pixels, "bytes")
        [(media, content)] = parts(shelf.get(path))
        assert content == pixels
        assert media.startswith("application/octet-stream")
        answer = shelf.get(path, "application/octet-stream", HTTP_RANGE="bytes=10-19")
        assert (answer.status_code, answer.getvalue()) == (206, pixels[10:20])

    @pytest.mark.parametrize(
        "path", ["00100099", "7FE00010/0", "00081140", "00081140/0/0", "7fe0001", "0", "////"]
    )
    def test_bulk_data_that_is_none(self, shelf: Shelf, path: str) -> None:
        assert shelf.get(f"{shelf.path_of(shelf.rows()[0])}/bulkdata/{path}").status_code == 404

    def test_a_value_within_an_item(self, shelf: Shelf) -> None:
        row = shelf.rows()[0]
        answer = shelf.get(f"{shelf.path_of(row)}/bulkdata/00081140/0/00081150", "application/octet-stream")
        uid = dcmread(file_of(row)).ReferencedImageSequence[0].ReferencedSOPClassUID
        assert answer.getvalue().strip(b"\0").decode() == uid

    def test_the_ward_sees_who_it_is_and_leaves_a_mark(self, shelf: Shelf) -> None:
        said = json.loads(shelf.get(f"studies/{PLAN.uid}/metadata", node="WARD").getvalue())
        assert {one["00100010"]["Value"][0]["Alphabetic"] for one in said} == {cast.ADA.name}
        assert said[0]["7FE00010"]["BulkDataURI"].startswith(
            f"http://testserver/dicomweb/studies/{PLAN.uid}/series/"
        )
        assert Entry.objects.filter(action="identity.instance-restored").count() == 1

    def test_it_is_json_and_nothing_else(self, shelf: Shelf) -> None:
        assert shelf.get(f"studies/{shelf.study.uid}/metadata", "application/dicom+xml").status_code == 406


@pytest.mark.django_db(transaction=True)
class TestStreams:
    def test_so_many_at_a_time(self, shelf: Shelf) -> None:
        path = f"studies/{shelf.study.uid}"
        going = [shelf.get(path) for _ in range(streaming.AT_ONCE)]
        refused = shelf.get(path)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        for answer in going:
            answer.close()
        assert shelf.get(path).status_code == 200

    @pytest.mark.parametrize("node", ["VIEWER", "WARD"])
    def test_who_hangs_up_ends_the_work_and_what_was_given_is_told(
        self, shelf: Shelf, node: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = _counted(monkeypatch)
        answer = shelf.get(f"studies/{shelf.study.uid if node == 'VIEWER' else PLAN.uid}", node=node)
        next(iter(answer.streaming_content))
        answer.close()
        assert len(read) == 1
        detail = Entry.objects.filter(action="images.given").latest("pk").detail
        assert detail["given"] + detail["failed"] <= 1

    def test_a_place_is_free_again_after_every_end(self, shelf: Shelf) -> None:
        path = shelf.path_of(shelf.rows()[0])
        for _ in range(streaming.AT_ONCE + 1):
            assert shelf.get(f"{path}/frames/99").status_code == 404
            assert shelf.get(f"{path}/metadata").getvalue()
            assert shelf.get(path, "application/dicom").getvalue()


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The images that were begun."""
    begun: list[Any] = []
    honest: Callable[..., Any] = instances._part10

    def counting(offer: Any, *more: Any) -> Any:
        begun.append(offer)
        return honest(offer, *more)

    monkeypatch.setattr(instances, "_part10", counting)
    return begun


def test_how_long_a_multipart_is_can_be_said_beforehand() -> None:
    multipart = Multipart("application/dicom")
    said = [("application/dicom; transfer-syntax=1.2", 2, 30), ("application/dicom", 1, 5)]
    made = b"".join(
        multipart.head(media, first=not place) + bytes(size)
        for place, (media, size) in enumerate([(said[0][0], 10), (said[1][0], 5), (said[0][0], 20)])
    )
    assert multipart.length(said) == len(made + multipart.end)


WORDS = "studies series instances frames metadata rendered thumbnail bulkdata 1 1.2 0,1 7FE00010 * %00"
PIECES = st.sampled_from(WORDS.split())
QUERIES = st.sampled_from(
    [
        "",
        "limit=0",
        "window=1,2,linear",
        "viewport=1,1,0,0,0,0",
        "accept=image/png",
        "accept=*/*",
        "quality=7",
        "x=%00",
    ]
)
ACCEPTS = st.sampled_from(
    ["", "*/*", "image/*", "multipart/related", 'multipart/related; type="*/*"', ";;;", "\x7f"]
)


@given(
    st.lists(PIECES, max_size=9),
    st.lists(st.one_of(PIECES, st.text(max_size=9)), max_size=3),
    QUERIES,
    ACCEPTS,
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_at_all_is_our_fault(
    shelf: Shelf, path: list[str], more: list[str], query: str, accept: str
) -> None:
    """Of what is here and of what is not."""
    row, headers = shelf.rows()[0], shelf.site.headers("VIEWER")
    ours.requests.clear()
    doors.requests.clear()
    for start in ("", f"{shelf.path_of(row)}/", f"studies/{shelf.study.uid}/"):
        answer = shelf.site.client.get(
            f"/dicomweb/{start}{'/'.join(path + [quote(one) for one in more])}?{query}",
            HTTP_ACCEPT=accept,
            **headers,
        )
        assert answer.status_code in (200, 400, 404, 405, 406), answer.getvalue()
        answer.getvalue()

"""Images by HTTP go the way of a C-STORE, and their sender hears what became of each."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from django.conf import LazySettings
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from proxy.dicomweb.giving import streaming
from proxy.dicomweb.store import views
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Node
from proxy.studies.models import Instance, Study
from proxy.web.server import THREADS
from tests import cast
from tests.cast import StudyPlan
from tests.dicomweb.conftest import Site
from tests.dicomweb.sending import RELATED, failed, images, nameless, post, problem, related, stored
from tests.reception.sending import files

COERCED = 0xB000


def test_what_is_sent_is_stored_without_its_names(site: Site, data: Path) -> None:
    one, two = cast.ct(), cast.ct(instance=2)
    answer = post(site, images(one, two))
    assert answer.status_code == 200
    assert stored(answer) == {one.SOPInstanceUID: COERCED, two.SOPInstanceUID: COERCED}
    assert set(json.loads(answer.content)) == {"00081199"}  # nor a Retrieve URL
    assert b"00081190" not in answer.content
    assert Instance.objects.count() == 2
    for row in Instance.objects.all():
        clean = dcmread(data / "studies" / row.path)
        assert clean.PatientID == Study.objects.get().patient
        assert "OriginalAttributesSequence" not in clean


def test_nothing_of_a_name_lies_anywhere(site: Site, data: Path) -> None:
    burned = cast.ct(StudyPlan(number=5, extra={"BurnedInAnnotation": "YES"}))
    assert post(site, images(cast.ct(), burned)).status_code == 200
    kept = {name: (data / name).read_bytes() for name in files(data)}
    assert len(kept) >= 2
    for needle in (one for name in cast.NEEDLES for one in cast.spellings(name)):
        assert not [name for name, content in kept.items() if needle in content]


def test_the_same_again_changes_nothing(site: Site) -> None:
    for _ in range(2):
        assert post(site, images(cast.ct())).status_code == 200
    assert Instance.objects.count() == 1


def test_a_single_part_is_an_image(site: Site) -> None:
    image = cast.mr()
    answer = post(site, cast.part10(image), "application/dicom")
    assert (answer.status_code, stored(answer)) == (200, {image.SOPInstanceUID: COERCED})


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_transfer_syntaxes_are_taken_as_on_the_wire(site: Site, syntax: Any) -> None:
    image = cast.ct()
    if syntax == ExplicitVRBigEndian:
        image["PixelData"].VR = "OW"
    image.file_meta.TransferSyntaxUID = syntax
    assert post(site, images(image)).status_code == 200
    assert Instance.objects.get().transfer_syntax == syntax


def test_a_body_may_come_in_chunks(site: Site) -> None:
    assert post(site, images(cast.ct(size=256)), chunked=True).status_code == 200
    assert Instance.objects.count() == 1


def test_the_token_says_which_project(site: Site) -> None:
    post(site, images(cast.ct()))
    site.client.generic(
        "POST", "/dicomweb/studies", images(cast.ct()), RELATED, **site.headers("CT_EAST", "TRIAL")
    )
    assert set(Instance.objects.values_list("project__name", flat=True)) == {"default", "trial"}
    assert Study.objects.values("uid").distinct().count() == 2


def test_a_study_in_the_address_is_the_one_that_counts(site: Site) -> None:
    mine, other = cast.ct(), cast.ct(StudyPlan(number=7))
    answer = post(site, images(mine, other), study=mine.StudyInstanceUID)
    assert answer.status_code == 202
    assert stored(answer) == {mine.SOPInstanceUID: COERCED}
    assert failed(answer) == {other.SOPInstanceUID: 0xA901}
    answer = post(site, images(other), study=mine.StudyInstanceUID)
    assert (answer.status_code, failed(answer)) == (409, {other.SOPInstanceUID: 0xA901})
    assert Instance.objects.count() == 1


def test_what_a_gate_holds_is_held_and_answered_as_on_the_wire(site: Site) -> None:
    burned = cast.ct(StudyPlan(extra={"BurnedInAnnotation": "YES"}))
    answer = post(site, images(burned))
    assert (answer.status_code, stored(answer)) == (200, {burned.SOPInstanceUID: COERCED})
    assert HeldItem.objects.count() == 1
    Node.objects.filter(name="CT_EAST").update(on_hold="refuse")
    answer = post(site, images(burned))
    assert (answer.status_code, failed(answer)) == (409, {burned.SOPInstanceUID: 0x0124})


def test_a_class_or_syntax_that_the_wire_would_not_take_is_not_taken(
    site: Site, settings: LazySettings
) -> None:
    settings.DICOM_ACCEPTED_CLASSES = ["MRImageStorage"]
    ct, mr = cast.ct(), cast.mr()
    answer = post(site, images(ct, mr))
    assert (answer.status_code, failed(answer)) == (202, {ct.SOPInstanceUID: 0x0122})
    assert stored(answer) == {mr.SOPInstanceUID: COERCED}
    strange = cast.part10(mr).replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0")
    answer = post(site, related(strange))
    assert (answer.status_code, failed(answer)) == (409, {mr.SOPInstanceUID: 0xC122})


@pytest.mark.parametrize(
    "part",
    [
        b"",
        b"no image at all",
        b"\0" * 128 + b"DICM",
        b"\0" * 128 + b"DICM" + b"\2\0\0\0UL\4\0\0\0\0\0",
        b"\0" * 128 + b"DICM" + b"\2\0\2\0UN\0\0\xff\xff\xff\xff",
        b"\0" * 100_000,
        cast.part10(cast.ct())[128:],
        cast.part10(cast.ct())[1:],
        cast.part10(cast.ct())[:200],
    ],
)
def test_what_is_no_image_fails_alone_and_without_a_name(site: Site, part: bytes) -> None:
    image = cast.ct()
    answer = post(site, related(part, cast.part10(image)))
    assert answer.status_code == 202
    assert (nameless(answer), stored(answer)) == ([0xC000], {image.SOPInstanceUID: COERCED})
    answer = post(site, related(part))
    assert (answer.status_code, nameless(answer)) == (409, [0xC000])


def test_an_image_is_named_as_its_sender_named_it_even_if_that_is_no_uid(site: Site) -> None:
    image = cast.ct()
    image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = "1.2.3.abc"
    answer = post(site, images(image))
    assert (answer.status_code, stored(answer)) == (200, {"1.2.3.abc": COERCED})


def test_a_preamble_may_be_missing(site: Site) -> None:
    image = cast.ct()
    answer = post(site, related(cast.part10(image)[132:]))
    assert (answer.status_code, stored(answer)) == (200, {image.SOPInstanceUID: COERCED})


def test_a_truncated_image_fails(site: Site, data: Path) -> None:
    image = cast.ct()
    answer = post(site, related(cast.part10(image)[:-1000]))
    assert (answer.status_code, failed(answer)) == (409, {image.SOPInstanceUID: 0xC000})
    assert files(data / "studies") == []


def test_an_image_that_contradicts_its_meta_fails(site: Site) -> None:
    image = cast.ct()
    uid = str(image.SOPInstanceUID)
    other = uid[:-1] + "9"
    answer = post(site, related(cast.part10(image).replace(uid.encode(), other.encode(), 1)))
    assert (answer.status_code, failed(answer)) == (409, {other: 0xA900})


@pytest.mark.parametrize(
    "header",
    [
        b"Content-Type: application/dicom+json",
        b"Content-Type: multipart/related; boundary=inner",
        b"Content-Type: nonsense",
        b"Content-Type: application/dicom\r\nContent-Encoding: gzip",
        b"Content-Type: application/dicom\r\nContent-Transfer-Encoding: base64",
    ],
)
def test_a_part_of_another_kind_fails(site: Site, header: bytes) -> None:
    answer = post(site, related(cast.part10(cast.ct()), header=header))
    assert (answer.status_code, nameless(answer)) == (409, [0xC000])
    assert not Instance.objects.exists()


def test_a_part_may_say_nothing_of_itself(site: Site) -> None:
    assert post(site, related(cast.part10(cast.ct()), header=b"X: y")).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "nonsense",
        "text/plain",
        "application/json",
        "application/dicom+json",
        "multipart/form-data; boundary=b0undary",
        'multipart/related; type="application/dicom+json"; boundary=b0undary',
        'multipart/related; type="application/dicom+xml"; boundary=b0undary',
    ],
)
def test_other_media_types_are_415(site: Site, content_type: str) -> None:
    assert problem(post(site, images(cast.ct()), content_type)) == (415, "wrong-type")


def test_a_compressed_body_is_415_and_hears_how(site: Site) -> None:
    answer = post(site, images(cast.ct()), HTTP_CONTENT_ENCODING="gzip")
    assert problem(answer) == (415, "wrong-encoding")
    assert answer["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related",
        "multipart/related; boundary=",
        'multipart/related; boundary=""',
        f"multipart/related; boundary={'x' * 201}",
        'multipart/related; boundary="a\\\rb"',
        'multipart/related; boundary="ends with a blank "',
    ],
)
def test_without_a_boundary_nothing_can_be_read(site: Site, content_type: str) -> None:
    assert problem(post(site, images(cast.ct()), content_type))[0] in (400, 415)
    assert not Instance.objects.exists()


def test_the_charset_of_a_request_means_nothing(site: Site) -> None:
    assert post(site, images(cast.ct()), f"{RELATED}; charset=utf-16").status_code == 200


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "nothing"),
        (b"--b0undary--\r\n", "nothing"),
        (b"no boundary in here", "malformed"),
        (b"x" * 100_000, "malformed"),
        (b"--b0undaryX\r\n\r\nsomething\r\n--b0undary--", "malformed"),
        (b"--b0undary\r\n" + b"X: y\r\n" * 10_000 + b"\r\nsomething\r\n--b0undary--", "malformed"),
        (b"--b0undary\r\n" + b"X" * 1_000_000, "malformed"),
        (b"--b0undary\r\nno header\r\n\r\nsomething\r\n--b0undary--", "malformed"),
        (b"--b0undary\n\nsomething\n--b0undary--", "malformed"),
        (images(cast.ct())[:-20], "malformed"),
    ],
)
def test_a_malformed_body_is_400(site: Site, data: Path, body: bytes, code: str) -> None:
    if body:
        assert problem(post(site, body)) == (400, code)
    assert problem(post(site, body, chunked=True)) == (400, code)
    assert files(data / "studies") == []


def test_what_came_before_a_body_breaks_is_stored_and_said(site: Site) -> None:
    image = cast.ct()
    body = images(image, cast.ct(instance=2))[:-5000]
    answer = post(site, body)
    assert answer.status_code == 202
    assert (stored(answer), nameless(answer)) == ({image.SOPInstanceUID: COERCED}, [0xC000])
    assert Instance.objects.count() == 1


def test_a_body_that_is_shorter_than_it_says_is_broken_off(site: Site) -> None:
    body = images(cast.ct())
    more: dict[str, Any] = {"CONTENT_LENGTH": str(len(body) + 10), "wsgi.input": BytesIO(body[:-9])}
    answer = post(site, body, **more)
    assert problem(answer) == (400, "broken-off")


def test_a_request_has_a_limit_said_or_not(site: Site, settings: LazySettings) -> None:
    settings.DICOMWEB_LARGEST_REQUEST = 1
    body = related(b"x" * (2 << 20))
    assert problem(post(site, body)) == (413, "too-large")
    assert problem(post(site, body, chunked=True)) == (413, "too-large")
    assert problem(post(site, b"", CONTENT_LENGTH="9" * 30)) == (413, "too-large")
    assert problem(post(site, b"", CONTENT_LENGTH="-1")) == (400, "malformed")


def test_thousands_of_empty_parts_have_a_limit(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = post(site, related(*[b""] * 10_000))
    assert (answer.status_code, len(nameless(answer))) == (409, 10_000)
    assert problem(post(site, related(*[b""] * 10_001))) == (413, "too-many")


def test_trouble_of_ours_asks_to_come_again(site: Site, settings: LazySettings) -> None:
    settings.DISK_WATERMARK = 10**9
    image = cast.ct()
    answer = post(site, images(image))
    assert (answer.status_code, failed(answer)) == (503, {image.SOPInstanceUID: 0xA700})
    assert int(answer["Retry-After"]) > 0


def test_without_keys_nothing_is_taken(site: Site, data: Path) -> None:
    headers = site.headers("CT_EAST")
    for path in (data.parent / "keys").iterdir():
        path.unlink()
    answer = site.client.generic("POST", "/dicomweb/studies", images(cast.ct()), RELATED, **headers)
    assert problem(answer) == (503, "keys-missing")
    assert not Instance.objects.exists()


def test_a_token_that_leads_nowhere_stores_nothing(site: Site) -> None:
    answer = site.client.generic(
        "POST", "/dicomweb/studies", images(cast.ct()), RELATED, **site.headers("CT_EAST", "NOBODY")
    )
    assert problem(answer) == (403, "no-route")


def test_who_may_not_store_is_refused_before_anything_is_read(site: Site) -> None:
    assert problem(post(site, images(cast.ct()), node="VIEWER")) == (403, "no-right")


def test_no_more_than_some_store_at_once(site: Site) -> None:
    for _ in range(views.AT_ONCE):
        assert views._seats.acquire(blocking=False)
    try:
        answer = post(site, images(cast.ct()))
    finally:
        for _ in range(views.AT_ONCE):
            views._seats.release()
    assert problem(answer) == (503, "busy")
    assert int(answer["Retry-After"]) > 0
    assert post(site, images(cast.ct())).status_code == 200


def test_who_moves_images_leaves_threads_for_everybody_else() -> None:
    service = 12  # as many as SERVICE_AT_ONCE may say
    assert views.AT_ONCE + streaming.AT_ONCE + service < THREADS


def test_whoever_wants_xml_gets_it(site: Site) -> None:
    image = cast.ct()
    answer = post(site, images(image), HTTP_ACCEPT="application/dicom+xml")
    assert answer["Content-Type"] == "application/dicom+xml"
    root = ElementTree.fromstring(answer.content)
    found = {
        one.get("keyword"): [value.text for value in one.iter("Value")] for one in root.iter("DicomAttribute")
    }
    assert found["ReferencedSOPInstanceUID"] == [image.SOPInstanceUID]
    assert found["WarningReason"] == ["45056"]


def test_a_result_of_an_outside_node_is_kept_as_it_came(site: Site) -> None:
    Node.objects.filter(name="CT_EAST").update(outside=True)
    answer = post(site, images(cast.ct()))
    assert answer.status_code == 200
    assert list(stored(answer).values()) == [None]

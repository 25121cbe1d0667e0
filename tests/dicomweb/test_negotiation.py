import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dicomweb.negotiation import (
    JSON,
    PLAIN_JSON,
    RELATED,
    XML,
    Choice,
    Offer,
    choices,
    read,
    takes_gzip,
)

DICOM = Offer(RELATED, "application/dicom")
BYTES = Offer(RELATED, "application/octet-stream")
SINGLE = Offer("application/dicom")
JPEG = Offer("image/jpeg")
OFFERS = (DICOM, BYTES, SINGLE, JPEG, JSON)
J2K = "1.2.840.10008.1.2.4.90"


@pytest.mark.parametrize(
    ("header", "first"),
    [
        ("", Choice(DICOM)),
        ("*/*", Choice(DICOM)),
        ("application/*", Choice(SINGLE)),
        ("image/*", Choice(JPEG)),
        ("application/dicom+json", Choice(JSON)),
        ("APPLICATION/DICOM+JSON", Choice(JSON)),
        ("application/dicom+json;q=0.2, image/jpeg;q=0.3", Choice(JPEG)),
        ("*/*, application/dicom+json", Choice(JSON)),
        ("*/*;q=1, multipart/related;q=0, application/dicom;q=0", Choice(JPEG)),
        ('multipart/related; type="application/dicom"', Choice(DICOM)),
        ("multipart/related; type=application/dicom", Choice(DICOM)),
        ('multipart/related;type="application/octet-stream"', Choice(BYTES)),
        ('multipart/related;type="APPLICATION/octet-stream"', Choice(BYTES)),
        ("multipart/related", Choice(DICOM)),
        (f'multipart/related; type="application/dicom"; transfer-syntax={J2K}', Choice(DICOM, J2K)),
        ("application/dicom; transfer-syntax=*", Choice(SINGLE, "*")),
        ('image/jpeg; q="0.5"; note="a, b; c\\" d"', Choice(JPEG)),
        ("nonsense, application/dicom+json", Choice(JSON)),
    ],
)
def test_the_best_of_what_is_wanted(header: str, first: Choice) -> None:
    assert choices(header, [], OFFERS)[0] == first


@pytest.mark.parametrize(
    "header",
    [
        "text/html",
        "nonsense",
        ";;;,,,",
        "application/dicom+json;q=0",
        "*/*;q=0",
        "*/*;q=nan",
        "application/*, application/*;q=0",  # whoever contradicts themselves
        'multipart/related; type="video/mp4"',
        'multipart/related; type="unclosed',
        "*/" * 5000,
    ],
)
def test_nothing_of_it_is_offered(header: str) -> None:
    assert choices(header, [], OFFERS) == ()


def test_whoever_names_several_transfer_syntaxes_gets_them_in_their_order() -> None:
    one = 'multipart/related; type="application/dicom"; transfer-syntax='
    found = choices(f"{one}1.2.3;q=0.4, {one}1.2.4;q=0.9, {one}*;q=0.1", [], (DICOM,))
    assert [choice.syntax for choice in found] == ["1.2.4", "1.2.3", "*"]


def test_the_query_wins_over_the_header_and_its_plus_may_be_a_blank() -> None:
    assert choices("image/jpeg", ["application/dicom json"], OFFERS)[0] == Choice(JSON)
    assert choices("image/jpeg", ["application/dicom+xml"], (XML,)) == (Choice(XML),)
    assert choices("image/jpeg", [""], OFFERS)[0] == Choice(JPEG)


def test_plain_json_is_answered_to_who_asks_for_it_alone() -> None:
    offers = (JSON, PLAIN_JSON)
    assert choices("application/json", [], offers)[0].offer == PLAIN_JSON
    assert choices("application/json, application/dicom+json", [], offers)[0].offer == PLAIN_JSON
    assert choices("*/*", [], offers)[0].offer == JSON


def test_a_content_type_is_one_media_type() -> None:
    found = read('multipart/related; type="application/dicom"; boundary="a b=c;d,e"')
    assert found is not None
    assert (found.name, found.inner, found.parameters["boundary"]) == (
        RELATED,
        "application/dicom",
        "a b=c;d,e",
    )
    assert read("a/b, c/d") is None
    assert read("") is None
    assert read("a/b; boundary") is None


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("*", True),
        ("identity, *;q=0.1", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("*;q=0", False),
        ("*, gzip;q=0", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip(header: str, takes: bool) -> None:
    assert takes_gzip(header) is takes


@given(st.text(max_size=300), st.lists(st.text(max_size=50), max_size=3))
def test_whatever_is_said_is_read(header: str, query: list[str]) -> None:
    choices(header, query, OFFERS)
    takes_gzip(header)


@given(st.text(alphabet='*/;,="q0.1 application/dicom+json\\', max_size=200))
def test_or_what_nearly_is_a_header(header: str) -> None:
    for choice in choices(header, [], OFFERS):
        assert choice.offer in OFFERS

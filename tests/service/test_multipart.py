"""Bad input first: whatever a body is, it is read to its end, refused with a reason, and never held in memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.service.multipart import LONGEST_HEADERS, Multipart, boundary_of
from proxy.service.troubles import Malformed, TooMuch, Trouble, WrongKind
from tests.service.sending import body_of, form

HEAD = b'Content-Disposition: form-data; name="files"; filename="a.dcm"\r\n\r\n'


def parts_of(content: bytes, step: int = 1 << 20, boundary: bytes = b"b") -> list[tuple[str, bytes]]:
    found = []
    for part in Multipart(body_of(content, step), boundary).parts():
        pieces = []
        while piece := part.read(7_000):
            pieces.append(bytes(piece))
        found.append((part.name, b"".join(pieces)))
    return found


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no boundary anywhere",
        b"--b",
        b"--b\r\n",
        b"--b\r\n" + HEAD,
        b"--b\r\n" + HEAD + b"content",
        b"--b\r\n" + HEAD + b"content\r\n--b",
        b"--b\r\n" + HEAD + b"content\r\n--b-",
        b"--b\r\n" + HEAD + b"content--b--",
        b"--bc\r\n" + HEAD + b"content\r\n--bc--",
        b"--b\r\nno colon\r\n\r\ncontent\r\n--b--",
        b"--b\r\n\r\ncontent\r\n--b--",
        b'--b\r\nContent-Disposition: form-data; name="note"\r\n\r\ncontent\r\n--b--',
        b'--b\r\nContent-Disposition: attachment; name="files"\r\n\r\ncontent\r\n--b--',
        b"--b\r\nContent-Disposition: form-data; name*=bogus'x'files\r\n\r\ncontent\r\n--b--",
        b"--b\r\nX: " + b"y" * (LONGEST_HEADERS + 1) + b"\r\n\r\n\r\n--b--",
        b"--b\r\n" + b"x" * (LONGEST_HEADERS + 1),
    ],
)
def test_what_is_no_form_is_malformed(content: bytes) -> None:
    for step in (1, 1 << 20):
        with pytest.raises(Malformed):
            parts_of(content, step)


@pytest.mark.parametrize("line", ["Content-Transfer-Encoding: base64", "Content-Encoding: gzip"])
def test_a_part_that_is_encoded_is_not_guessed_at(line: str) -> None:
    with pytest.raises(WrongKind):
        parts_of(b"--b\r\n" + line.encode() + b"\r\n" + HEAD + b"x\r\n--b--")


@pytest.mark.parametrize("parameter", ["", " ", "x" * 71, 'a"b', "a\r\nb", "ä", "a "])
def test_a_boundary_that_is_none(parameter: str) -> None:
    with pytest.raises(Malformed):
        boundary_of(parameter)


def test_what_stands_before_and_behind_is_passed_by() -> None:
    content = b"preamble\r\n--b \t\r\n" + HEAD + b"one\r\n--b--\r\nepilogue"
    assert parts_of(content) == [("a.dcm", b"one")]


def test_a_part_that_nobody_reads_is_passed_by() -> None:
    content, _ = form([b"x" * 3_000_000, b"second"], boundary="b")
    parts = Multipart(body_of(content), b"b").parts()
    next(parts)
    assert bytes(next(parts).read(100)) == b"second"


@given(
    files=st.lists(
        st.binary(max_size=300) | st.sampled_from([b"\r\n--", b"\r\n--b\r", b"\r", b"--b--"]), max_size=5
    ),
    step=st.integers(1, 400),
)
def test_every_byte_comes_through_however_it_is_cut(files: list[bytes], step: int) -> None:
    content, _ = form(files, boundary="bound-ary")
    assert [found for _, found in parts_of(content, step, b"bound-ary")] == files


@given(st.binary(max_size=400), st.integers(1, 50))
def test_no_body_ends_in_a_fault_of_ours(content: bytes, step: int) -> None:
    for whole in (content, b"--b\r\n" + content, b"--b\r\n" + HEAD + content + b"\r\n--b--"):
        try:
            parts_of(whole, step)
        except Trouble as trouble:
            assert trouble.reason and trouble.code


def test_a_body_that_goes_on_is_stopped_at_the_bound() -> None:
    content, _ = form([b"x" * 5_000_000], boundary="b")
    body = body_of(content, length=None, most=2_000_000)
    with pytest.raises(TooMuch):
        for part in Multipart(body, b"b").parts():
            while part.read(1 << 20):
                pass
    assert body.size < 4_000_000


@pytest.mark.parametrize("length", [None, 1_000])
def test_a_body_may_be_as_long_as_it_may_be(length: int | None) -> None:
    body = body_of(bytes(1_000), length=length, most=1_000)
    assert len(body.read(2_000)) == 1_000 and not body.read(1)
    body = body_of(bytes(1_000), length=length, most=999)
    with pytest.raises(TooMuch):
        body.read(2_000)


def test_a_body_shorter_than_it_said_is_cut() -> None:
    content, _ = form([b"x"], boundary="b")
    with pytest.raises(Malformed, match="ended before"):
        list(Multipart(body_of(content[:-30], length=len(content)), b"b").parts())

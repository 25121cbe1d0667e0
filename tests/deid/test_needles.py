"""The quick look at a finished header may say yes too often, and never no where a text holds the person."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.deid.charsets import encode
from proxy.deid.needles import NAME, Needles, _compiled, needles
from proxy.deid.splice import make_element

NAMES = needles(((NAME, b"Li^Ann"), ("id", b"1234"), ("id", b"A1-9"), (NAME, b"Wu-Op")), b"")
TEXTS = st.lists(
    st.sampled_from(["Li", "li", "Ann", "ANN", "1234", "wu", "op", "x", "9", " ", "^", "\\", "lin", "0.", "e"]),
    max_size=6,
).map("".join)  # fmt: skip
TAGS = st.sampled_from([0x00081030, 0x00321060, 0x00380050, 0x00410010, 0x00540410, 0x20300020, 0x20500020])


@given(st.lists(st.tuples(TAGS, st.sampled_from(["LO", "UT"]), TEXTS), max_size=8), st.booleans())
def test_a_quick_look_never_misses_a_text(elements: list[tuple[int, str, str]], explicit: bool) -> None:
    header = b"".join(make_element(tag, vr, text.encode(), explicit) for tag, vr, text in elements)
    pattern = NAMES.pattern
    assert pattern is not None
    if any(pattern.search(text) for _, _, text in elements):
        assert NAMES.glance(header) and NAMES.stand_in(header)


def test_a_pattern_is_compiled_when_something_was_met_and_once() -> None:
    met = needles(((NAME, b"Compiled^Once"),), b"")
    before = _compiled.cache_info().misses
    assert not met.glance(make_element(0x00081030, "LO", b"Thorax", True))
    assert _compiled.cache_info().misses == before
    assert met.pattern is met.pattern
    assert _compiled.cache_info().misses == before + 1


def test_nothing_to_look_for_is_no_pattern() -> None:
    assert needles((), b"").pattern is None


@pytest.mark.parametrize("text", ["Clinical planned", "0.123456", "8123499", "sleeping"])
def test_a_short_name_inside_a_word_is_no_name(text: str) -> None:
    header = make_element(0x00081030, "LO", text.encode(), True) + make_element(0x00200013, "IS", b"1", True)
    assert not NAMES.stand_in(header)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_name_is_met_in_every_width(codec: str) -> None:
    assert is_met(NAMES, "of Ann here".encode(codec))


def test_a_name_behind_an_escape_is_met() -> None:
    assert is_met(NAMES, b"\x1b(BLi")


def test_a_joined_name_is_met_inside_a_word() -> None:
    assert is_met(needles(((NAME, b"Li^Example"),), b""), b"xLiExamplex")


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-be", "shift_jis", "gb18030"])
def test_a_name_of_two_signs_is_met(codec: str) -> None:
    assert is_met(needles(((NAME, "山田^太郎".encode()),), b"ISO_IR 192"), "x太郎x".encode(codec))


def is_met(own: Needles, value: bytes) -> bool:
    header = make_element(0x00081030, "LO", value, True)
    return own.glance(header) and own.stand_in(header)


@pytest.mark.parametrize("charset", [b"ISO_IR 100", b"ISO_IR 192"])
def test_an_address_is_met_whatever_stands_between_its_parts(charset: bytes) -> None:
    own = needles((("phrase", encode("Königsallee 12", charset)),), charset)
    for text in ("Königsallee, 12", "KÖNIGSALLEE 12", "königsallee-12"):
        assert is_met(own, encode(text, charset)) and own.hits(encode(text, charset).lower())


def test_a_whole_name_in_opaque_bytes_is_met() -> None:
    own = needles(((NAME, b"Young^Grace"),), b"")
    assert own.strikes(b"\x01\x02young^grace\xff") and not own.strikes(b"\x01young\x02gracia")

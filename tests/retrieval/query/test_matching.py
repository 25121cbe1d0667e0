"""The ways of matching as plain functions, against a second opinion."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.retrieval.query import matching
from proxy.retrieval.query.matching import Names, day, hour, whole, wildcard

FEW = st.text(alphabet="aAb^=*?äÄ\n", max_size=12)


@given(FEW, FEW)
def test_wildcards_mean_what_a_regular_expression_would_mean(pattern: str, text: str) -> None:
    said = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    assert wildcard(pattern, text) == (re.fullmatch(said, text, re.DOTALL) is not None)


def test_a_pattern_made_to_take_long_does_not() -> None:
    assert not wildcard("*a" * 500 + "b", "a" * 1000)


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("doe^john", "Doe^John", True),
        ("DOE*", "Doe^John", True),
        ("DOE", "Doe^John", False),
        ("doe^john^^", "Doe^John", True),
        ("doe^*^*", "Doe^John", True),
        ("d?e^j*", "Doe^John", True),
        ("*john*", "Doe^John", True),
        ("^john", "Doe^John", False),
        ("müller*", "MU\u0308LLER^Jo", True),
        ("straße", "STRASSE", True),
        ("yamada^tarou=山田^太郎", "Yamada^Tarou=山田^太郎=やまだ^たろう", True),
        ("山田*", "Yamada^Tarou=山田^太郎", True),
        ("=山田*", "Yamada^Tarou=山田^太郎", True),
        ("=山田*", "Yamada^Tarou", False),
        ("smith=山田*", "Yamada^Tarou=山田^太郎", False),
        ("a", "", False),
        ("*", "", True),
    ],
)
def test_names_match_whatever_their_case_whole_or_by_component(pattern: str, name: str, fits: bool) -> None:
    assert Names((pattern,)).matches(name) is fits


@given(FEW.filter(lambda text: not matching.is_wild(text)))
def test_every_name_matches_itself(name: str) -> None:
    assert Names((name,)).matches(name)


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("20240229", "20240229"),
        (" 20240229 ", "20240229"),
        ("2024022", ""),
        ("20241301", ""),
        ("20240100", ""),
        ("2024-1-1", ""),
        ("٢٠٢٤٠١٠١", ""),
        ("", ""),
    ],
)
def test_a_day_is_eight_digits_or_none(text: str, known: str) -> None:
    assert day(text) == known


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("10", "100000000000"),
        ("1030", "103000000000"),
        ("103059.25", "103059250000"),
        ("103060", "103060000000"),
        ("24", ""),
        ("1060", ""),
        ("103", ""),
        ("1030.5", ""),
        ("103059.", ""),
        ("103059.1234567", ""),
        ("", ""),
    ],
)
def test_an_hour_is_filled_up_or_none(text: str, known: str) -> None:
    assert hour(text) == known


@given(st.text(max_size=20))
def test_whatever_stands_in_a_row_breaks_nothing(text: str) -> None:
    assert len(day(text)) in (0, 8)
    assert len(hour(text)) in (0, 12)
    assert whole(text) is None or isinstance(whole(text), int)

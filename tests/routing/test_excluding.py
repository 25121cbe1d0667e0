"""A route's rules over descriptions of series: what fits, and what does not."""

import pytest

from proxy.routing.excluding import rule_for
from proxy.routing.site.values import WrongValueError, description


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("Patient Protocol", "Patient Protocol"),
        ("PATIENT PROTOCOL", "Patient Protocol"),
        ("  Patient   Protocol ", "Patient Protocol"),
        ("Dose Report", "*dose*"),
        ("CT Dose", "*dose*"),
        ("Überblick", "über*"),
        ("Topogram 0.6", "Topogram ?.?"),
        ("Scout [1]", "Scout [1]"),
        ("a.b", "a.b"),
    ],
)
def test_it_fits(said: str, rule: str) -> None:
    assert rule_for(said, ["something else", rule]) == rule


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("Patient Protocol 2", "Patient Protocol"),
        ("Thorax", "*dose*"),
        ("axb", "a.b"),
        ("Scout 1", "Scout [1]"),
        ("", "*dose*"),
        ("   ", "Patient Protocol"),
        ("Topogram 10.6", "Topogram ?.?"),
    ],
)
def test_it_does_not(said: str, rule: str) -> None:
    assert rule_for(said, [rule]) == ""


def test_without_rules_nothing_is_excluded() -> None:
    assert rule_for("Patient Protocol", ()) == ""


@pytest.mark.parametrize("text", ["*", "**", "?*?", "", "  ", " * ", "x" * 65, "a\tb"])
def test_what_would_fit_everything_or_nothing_is_no_rule(text: str) -> None:
    with pytest.raises(WrongValueError):
        description(text)

"""When an alert says something, with plain values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.alerts.deciding import CLEARED_AFTER, Known, Step, decide
from proxy.alerts.findings import MINUTE, Finding, Rule, counted
from proxy.alerts.lifecycle import RAISED, SEEN, STILL

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = Rule("r", "t", "a", lambda now: (), patience=10 * MINUTE)
AT_ONCE = Rule("r", "t", "a", lambda now: ())
FOUND = Finding("ARCHIVE", "It rests.", 4)


def known(
    state: str, *, found: timedelta = timedelta(0), weight: int = 4, gone: timedelta | None = None
) -> Known:
    """Found and raised so long ago, not found since then."""
    return Known(1, state, weight, NOW - found, NOW - found, None if gone is None else NOW - gone)


def step(rule: Rule, one: Known | None, finding: Finding | None) -> Step:
    [change] = decide(rule, {"ARCHIVE": one} if one else {}, {"ARCHIVE": finding} if finding else {}, NOW)
    return change.step


@pytest.mark.parametrize(
    ("rule", "one", "finding", "expected"),
    [
        (RULE, None, FOUND, Step.FIND),
        (AT_ONCE, None, FOUND, Step.RAISE),
        (RULE, known(SEEN, found=9 * MINUTE), FOUND, Step.KEEP),
        (RULE, known(SEEN, found=10 * MINUTE), FOUND, Step.RAISE),
        (RULE, known(SEEN, found=10 * MINUTE), None, Step.FORGET),
        (RULE, known(RAISED), FOUND, Step.KEEP),
        (RULE, known(STILL, found=timedelta(days=9)), FOUND, Step.KEEP),
        (RULE, known(STILL, found=timedelta(days=9), weight=3), FOUND, Step.KEEP),
        (RULE, known(STILL, found=timedelta(days=9), weight=2), FOUND, Step.WORSEN),
        (RULE, known(STILL, found=30 * MINUTE, weight=2), FOUND, Step.KEEP),
        (RULE, known(STILL), None, Step.MISS),
        (RULE, known(STILL, gone=CLEARED_AFTER - MINUTE), None, Step.MISS),
        (RULE, known(STILL, gone=CLEARED_AFTER), None, Step.CLEAR),
        (RULE, known(RAISED, gone=CLEARED_AFTER), None, Step.CLEAR),
        (RULE, known(STILL, gone=CLEARED_AFTER), FOUND, Step.KEEP),
    ],
)
def test_each_case(rule: Rule, one: Known | None, finding: Finding | None, expected: Step) -> None:
    assert step(rule, one, finding) is expected


def test_each_subject_has_its_own_change() -> None:
    found = {"a": Finding("a", "one"), "b": Finding("b", "two")}
    gone = {"c": known(STILL, gone=CLEARED_AFTER)}
    steps = {one.subject: one.step for one in decide(AT_ONCE, gone, found, NOW)}
    assert steps == {"a": Step.RAISE, "b": Step.RAISE, "c": Step.CLEAR}


@given(st.lists(st.booleans(), max_size=200), st.integers(0, 20))
def test_what_comes_and_goes_every_minute_is_one_alert(minutes: list[bool], patience: int) -> None:
    """A small world: found or not in each minute. Between raised and raised again it was away for long."""
    rule = Rule("r", "t", "a", lambda now: (), patience=patience * MINUTE)
    one: Known | None = None
    said: list[tuple[int, Step]] = []
    for minute, is_found in enumerate(minutes):
        now = NOW + minute * MINUTE
        finding = Finding("ARCHIVE", "It rests.") if is_found else None
        for change in decide(
            rule, {"ARCHIVE": one} if one else {}, {"ARCHIVE": finding} if finding else {}, now
        ):
            if change.step in {Step.RAISE, Step.CLEAR, Step.WORSEN}:
                said.append((minute, change.step))
            one = _after(one, change.step, now)
    assert [word for _, word in said] == [Step.RAISE, Step.CLEAR] * (len(said) // 2) + [Step.RAISE] * (
        len(said) % 2
    )
    for minute, word in said:
        wanted = minutes[max(0, minute - patience) : minute + 1]
        assert word is Step.CLEAR or all(wanted)
        assert word is Step.RAISE or not any(minutes[minute - 5 : minute + 1])


def _after(one: Known | None, step: Step, now: datetime) -> Known | None:
    """What the table says after a change."""
    match step:
        case Step.FIND:
            return Known(1, SEEN, 0, now)
        case Step.RAISE:
            return Known(1, RAISED, 1, one.found_at if one else now, now)
        case Step.FORGET | Step.CLEAR:
            return None
    assert one is not None
    gone_at = None if step is Step.KEEP else one.gone_at or now
    return Known(1, one.state, one.told_weight, one.found_at, one.raised_at, gone_at)


@pytest.mark.parametrize("weight", [0, -1])
def test_a_finding_weighs_something(weight: int) -> None:
    with pytest.raises(ValueError, match="weight"):
        Finding("ARCHIVE", "It rests.", weight)


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_a_finding_says_something(text: str) -> None:
    with pytest.raises(ValueError, match="sentence"):
        Finding("ARCHIVE", text)


def test_a_name_with_a_line_break_makes_no_second_header() -> None:
    finding = Finding("A\r\nBcc: all@example.org\x00", "one\ntwo " + "x" * 1000)
    assert finding.subject == "A Bcc: all@example.org"
    assert finding.sentence.startswith("one two xxx") and len(finding.sentence) == 400


@pytest.mark.parametrize(
    ("number", "thing", "expected"),
    [
        (1, "study", "1 study"),
        (2, "study", "2 studies"),
        (9, "day", "9 days"),
        (4000, "image", "4,000 images"),
    ],
)
def test_things_are_counted_in_english(number: int, thing: str, expected: str) -> None:
    assert counted(number, thing) == expected

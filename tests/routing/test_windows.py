"""Windows of hours: over midnight, by days of the week, and on the days on which clocks are set."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.routing.windows import DAY, Hours, Window, WrongWindow, hours, read

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [ZoneInfo(name) for name in ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")]
MINUTE = timedelta(minutes=1)


def berlin(text: str) -> datetime:
    """A moment by the clock on the wall; `*` behind it is the second time that the clock shows it."""
    return datetime.fromisoformat(text.rstrip("*")).replace(tzinfo=BERLIN, fold=text.count("*"))


def at(windows: str, now: str) -> str:
    """open or closed, and until when by the wall."""
    found = hours([read(one) for one in windows.split(", ")], berlin(now), BERLIN)
    assert found.until is not None
    return f"{'open' if found.is_open else 'closed'} until {found.until.astimezone(BERLIN):%m-%d %H:%M%z}"


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("22:00-06:00", Window(1320, 360 + DAY)),
        (" 08:30-17:15 ", Window(510, 1035)),
        ("00:00-24:00", Window(0, DAY)),
        ("12:00-00:00", Window(720, DAY)),
        ("Sat-Sun 00:00-24:00", Window(0, DAY, (5, 6))),
        ("fri 20:00-02:00", Window(1200, 120 + DAY, (4,))),
        ("Sat-Mon 10:00-11:00", Window(600, 660, (0, 5, 6))),
        ("Tue-Mon 10:00-11:00", Window(600, 660)),
    ],
)
def test_what_is_written_is_read(text: str, window: Window) -> None:
    assert read(text) == window


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "give hours as"),
        ("night", "give hours as"),
        ("22:00", "give hours as"),
        ("22-6", "give hours as"),
        ("22:00 - 06:00", "give hours as"),
        ("9:00-17:00", "give hours as"),
        ("22:00-06:00-07:00", "give hours as"),
        ("٢٢:00-06:00x", "give hours as"),
        ("25:00-06:00", "25:00 is no time of a day."),
        ("24:30-06:00", "24:30 is no time of a day."),
        ("10:60-11:00", "10:60 is no time of a day."),
        ("24:00-06:00", "begins at 00:00, not at 24:00"),
        ("06:00-06:00", "say 00:00-24:00"),
        ("Caturday 10:00-11:00", "give hours as"),
        ("Cat 10:00-11:00", "Cat is no day"),
        ("Mon-Cat 10:00-11:00", "Cat is no day"),
    ],
)
def test_what_is_no_window_is_refused_with_a_sentence(text: str, part: str) -> None:
    with pytest.raises(WrongWindow, match=part):
        read(text)


def test_without_windows_it_is_always_open() -> None:
    assert hours([], berlin("2026-01-15T09:30"), BERLIN) == Hours(True)


@pytest.mark.parametrize(
    ("windows", "now", "said"),
    [
        # 2026-01-15 is a Thursday
        ("22:00-06:00", "2026-01-15T09:30", "closed until 01-15 22:00+0100"),
        ("22:00-06:00", "2026-01-15T22:00", "open until 01-16 06:00+0100"),
        ("22:00-06:00", "2026-01-16T05:59:59", "open until 01-16 06:00+0100"),
        ("22:00-06:00", "2026-01-16T06:00", "closed until 01-16 22:00+0100"),
        ("22:00-06:00, 05:00-08:00", "2026-01-15T23:00", "open until 01-16 08:00+0100"),
        ("22:00-00:00, 00:00-06:00", "2026-01-15T23:00", "open until 01-16 06:00+0100"),
        ("12:00-13:00, 22:00-06:00", "2026-01-15T13:00", "closed until 01-15 22:00+0100"),
        ("Sat-Sun 00:00-24:00", "2026-01-15T09:30", "closed until 01-17 00:00+0100"),
        ("Sat-Sun 00:00-24:00", "2026-01-17T09:30", "open until 01-19 00:00+0100"),
        ("Fri 22:00-06:00", "2026-01-17T05:00", "open until 01-17 06:00+0100"),
        ("Fri 22:00-06:00", "2026-01-16T05:00", "closed until 01-16 22:00+0100"),
        ("Thu 09:00-09:30", "2026-01-15T09:30", "closed until 01-22 09:00+0100"),
        # the clock goes from 02:00 to 03:00 on 2026-03-29
        ("22:00-06:00", "2026-03-28T23:00", "open until 03-29 06:00+0200"),
        ("02:30-04:00", "2026-03-29T01:59", "closed until 03-29 03:00+0200"),
        ("02:30-04:00", "2026-03-29T03:00", "open until 03-29 04:00+0200"),
        ("01:00-02:30", "2026-03-29T01:30", "open until 03-29 03:00+0200"),
        ("02:10-02:50", "2026-03-29T01:30", "closed until 03-30 02:10+0200"),
        # and from 03:00 to 02:00 on 2026-10-25
        ("22:00-06:00", "2026-10-24T23:00", "open until 10-25 06:00+0100"),
        ("01:00-02:30", "2026-10-25T02:00", "open until 10-25 02:30+0200"),
        ("01:00-02:30", "2026-10-25T02:15*", "closed until 10-26 01:00+0100"),
        ("02:45-04:00", "2026-10-25T02:15*", "open until 10-25 04:00+0100"),
        ("02:15-02:45", "2026-10-25T01:00", "closed until 10-25 02:15+0200"),
    ],
)
def test_it_is_open_between_its_ends_by_the_clock_on_the_wall(windows: str, now: str, said: str) -> None:
    assert at(windows, now) == said


MINUTES = st.integers(0, DAY - 1)
DAYS = st.sets(st.integers(0, 6), min_size=1).map(lambda some: tuple(sorted(some)))


@st.composite
def a_window(draw: st.DrawFn) -> Window:
    opens = draw(MINUTES)
    return Window(opens, opens + draw(st.integers(1, DAY)), draw(DAYS))


MOMENTS = st.datetimes(datetime(2025, 12, 1), datetime(2027, 1, 31)).map(
    lambda one: one.replace(second=0, microsecond=0, tzinfo=UTC)
)
CHANGES = [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 3, 8), datetime(2026, 4, 4)]
NEAR_A_CHANGE = st.builds(
    lambda day, minutes: day.replace(tzinfo=UTC) + minutes * MINUTE,
    st.sampled_from(CHANGES),
    st.integers(-1500, 1500),
)
WINDOWS = st.lists(a_window(), min_size=1, max_size=3)


@given(WINDOWS, MOMENTS | NEAR_A_CHANGE, st.sampled_from(ZONES))
def test_until_is_when_it_changes_and_not_before(
    windows: list[Window], now: datetime, zone: ZoneInfo
) -> None:
    found = hours(windows, now, zone)
    if found.until is None or found.until - now > timedelta(days=8):
        return  # open all the time
    assert found.until > now
    assert hours(windows, found.until, zone).is_open is not found.is_open
    middle = now + (found.until - now) / 2
    assert hours(windows, middle, zone) == found


@given(WINDOWS, MOMENTS)
def test_where_no_clock_is_set_it_is_open_as_the_wall_says(windows: list[Window], now: datetime) -> None:
    minute, today = now.hour * 60 + now.minute, now.weekday()
    shown = any(
        (today in one.days and one.opens <= minute < one.closes)
        or ((today - 1) % 7 in one.days and one.opens <= minute + DAY < one.closes)
        for one in windows
    )
    assert hours(windows, now, ZoneInfo("UTC")).is_open is shown


def openings(window: Window, begin: datetime, zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """When it opens and closes again in the four days from there on."""
    found, now = [], begin
    while now < begin + timedelta(days=4):
        state = hours([window], now, zone)
        assert state.until is not None
        found += [(now, state.until)] * (state.is_open and now > begin)
        now = state.until
    return found


@given(a_window(), st.sampled_from(CHANGES), st.sampled_from(ZONES))
def test_setting_the_clock_opens_no_window_twice_and_ends_none_early(
    window: Window, day: datetime, zone: ZoneInfo
) -> None:
    """What is open is in one piece for each day on which it opens, and as long as the wall says, or as much longer or
    shorter as the clock was set."""
    daily = Window(window.opens, min(window.closes, window.opens + DAY - 61))
    found = openings(daily, (day - timedelta(days=1)).replace(tzinfo=UTC), zone)
    assert 3 <= len(found) <= 4 or daily.closes - daily.opens <= 60  # a short one may lie in what was skipped
    for (early, _), (late, _) in pairwise(found):
        assert abs((late - early) / MINUTE - DAY) <= 60 or len(found) < 4
    for opens, closes in found:
        assert abs((closes - opens) / MINUTE - (daily.closes - daily.opens)) <= 60

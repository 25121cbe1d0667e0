"""What is in the way to a destination, in a sentence: a table, and the longest-lasting first."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from proxy.routing.standing import Standing, standstill

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
LATER, EARLIER = NOW + timedelta(minutes=5), NOW - timedelta(minutes=5)
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = ("22:00-06:00", "Sat-Sun 00:00-24:00")


@pytest.mark.parametrize(
    ("standing", "short", "why"),
    [
        (Standing(), "", ""),
        (Standing(failures=2, trouble="It was away.", rests_until=EARLIER), "", ""),
        (Standing(failures=3, rests_until=EARLIER, is_probed=True), "", ""),
        (Standing(windows=("10:00-11:00",)), "", ""),  # 10:30 in Berlin
        (Standing(spent_until=EARLIER, images_per_minute=5), "", ""),
        (Standing(retired=True, paused=True), "retired", "this destination is retired"),
        (Standing(paused=True, windows=NIGHT), "paused by a person", "a person paused this destination"),
        (
            Standing(windows=NIGHT, failures=3, rests_until=LATER),
            "closed until 2026-01-15 21:00:00 UTC",
            "it is outside the hours of this destination (22:00-06:00, Sat-Sun 00:00-24:00, Europe/Berlin);"
            " they begin again at 2026-01-15 21:00:00 UTC",
        ),
        (
            Standing(windows=("night",)),
            "closed: its hours cannot be read",
            "the hours of this destination cannot be read (night)",
        ),
        (
            Standing(failures=1, trouble="It asks us to slow down (429).", rests_until=LATER),
            "rests until 2026-01-15 09:35:00 UTC",
            "it rests until 2026-01-15 09:35:00 UTC: It asks us to slow down (429).",
        ),
        (
            Standing(failures=4, rests_until=LATER, spent_until=LATER),
            "rests until 2026-01-15 09:35:00 UTC",
            "it rests until 2026-01-15 09:35:00 UTC: Of its delivery.",
        ),
        (
            Standing(failures=3, trouble="It hung up", rests_until=EARLIER),
            "is being asked whether it answers",
            "it failed 3 times in a row, and is asked whether it answers before anything is sent: It hung up.",
        ),
        (
            Standing(spent_until=LATER, megabytes_per_minute=600),
            "as fast as it may, next at 2026-01-15 09:35:00 UTC",
            "it takes 600 MB a minute; the next go at 2026-01-15 09:35:00 UTC",
        ),
        (
            Standing(spent_until=LATER),  # the limit was taken away meanwhile
            "as fast as it may, next at 2026-01-15 09:35:00 UTC",
            "it takes so much a minute; the next go at 2026-01-15 09:35:00 UTC",
        ),
    ],
)
def test_what_is_in_the_way_is_said(standing: Standing, short: str, why: str) -> None:
    found = standstill(standing, NOW, BERLIN, "Of its delivery.")
    assert (found.short, found.why) == (short, why) if found else (short, why) == ("", "")
    assert found is None or found.todo


def test_what_nobody_noted_is_said_to_be_unknown() -> None:
    found = standstill(Standing(failures=3, rests_until=LATER), NOW, BERLIN)
    assert found is not None and found.why.endswith(": no reason was noted.")

"""At what hours something may be sent: windows of local time such as `22:00-06:00` or `Sat-Sun 00:00-24:00`.

One that ends before it begins goes over midnight; its day is the one on which it opens. A window opens at the first
moment at which the clock on the wall shows its beginning or later, and closes at the first at which it shows its end
or later. So where the clock is set forward over its beginning, it opens right then; where the clock is set back, a
window that is open goes on, and one that was over does not open a second time.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY = 24 * 60
LOOK_BACK, LOOK_AHEAD = 2, 15  # days: the longest window takes one, and a clock was set by a whole day before
ADVICE = "give hours as 22:00-06:00, with days where needed: Sat-Sun 00:00-24:00."
_FORM = re.compile(
    r"(?:(?P<first>[A-Za-z]{3})(?:-(?P<last>[A-Za-z]{3}))? +)?(?P<opens>\d\d:\d\d)-(?P<closes>\d\d:\d\d)"
)


class WrongWindow(ValueError):
    """The message is a sentence that says how to write it."""


@dataclass(frozen=True, slots=True)
class Window:
    """`opens` and `closes` in minutes after the midnight of the day on which it opens; `days` from Monday, 0, on."""

    opens: int
    closes: int
    days: tuple[int, ...] = tuple(range(7))


@dataclass(frozen=True, slots=True)
class Hours:
    """Whether it is open, and until when it stays so. None: nothing says that this will change."""

    is_open: bool
    until: datetime | None = None


def read(text: str) -> Window:
    """Raises WrongWindow."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise WrongWindow(ADVICE)
    opens, closes = _minute(found["opens"]), _minute(found["closes"])
    if opens == DAY:
        raise WrongWindow("a window begins at 00:00, not at 24:00.")
    if opens == closes:
        raise WrongWindow("this begins where it ends; for a whole day say 00:00-24:00.")
    return Window(opens, closes if closes > opens else closes + DAY, _days(found["first"], found["last"]))


def _minute(text: str) -> int:
    hour, minute = map(int, text.split(":"))
    if minute > 59 or hour * 60 + minute > DAY:
        raise WrongWindow(f"{text} is no time of a day.")
    return hour * 60 + minute


def _days(first: str | None, last: str | None) -> tuple[int, ...]:
    """From the first to the last, over the end of a week if need be."""
    if first is None:
        return tuple(range(7))
    begin, end = _day(first), _day(last or first)
    return tuple(sorted((begin + more) % 7 for more in range((end - begin) % 7 + 1)))


def _day(text: str) -> int:
    if text.capitalize() not in DAYS:
        raise WrongWindow(f"{text} is no day; the days are {', '.join(DAYS)}.")
    return DAYS.index(text.capitalize())


def hours(windows: Sequence[Window], now: datetime, zone: tzinfo) -> Hours:
    """Whether one of the windows is open at this moment. Without any, it is always."""
    if not windows:
        return Hours(True)
    for opens, closes in _joined(_spans(windows, now.astimezone(zone).date(), zone)):
        if opens <= now < closes:
            return Hours(True, closes)
        if opens > now:
            return Hours(False, opens)
    return Hours(False)


def _spans(windows: Iterable[Window], today: date, zone: tzinfo) -> Iterator[tuple[datetime, datetime]]:
    for window in windows:
        for away in range(-LOOK_BACK, LOOK_AHEAD):
            day = datetime.combine(today + timedelta(days=away), datetime.min.time())
            if day.weekday() in window.days:
                yield tuple(
                    _first(day + timedelta(minutes=one), zone) for one in (window.opens, window.closes)
                )  # type: ignore[misc]


def _joined(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """In order, and what overlaps or touches as one; what the clock skipped is none."""
    joined: list[tuple[datetime, datetime]] = []
    for opens, closes in sorted(one for one in spans if one[0] < one[1]):
        if joined and opens <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], closes)
        else:
            joined.append((opens, closes))
    return joined


def _first(wall: datetime, zone: tzinfo) -> datetime:
    """The first moment, in UTC, at which the clock shows this or later; where it is skipped, that of the skip."""
    high = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if _shown(high, zone) == wall:
        return high
    low = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)  # PEP 495: these two lie around the skip
    while high - low > timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        low, high = (low, middle) if _shown(middle, zone) >= wall else (middle, high)
    return high


def _shown(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)

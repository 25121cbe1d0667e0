"""Why nothing goes to a destination at this moment, in sentences; for whatever waits there."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

from proxy.routing import breaker, windows
from proxy.routing.backoff import RESTS_AFTER
from proxy.routing.models import Destination

UNKNOWN = "no reason was noted."


@dataclass(frozen=True, slots=True)
class Standing:
    """How a destination stands: plain facts."""

    retired: bool = False
    paused: bool = False
    windows: tuple[str, ...] = ()
    failures: int = 0
    trouble: str = ""
    rests_until: datetime | None = None
    is_probed: bool = False
    images_per_minute: int = 0
    megabytes_per_minute: int = 0
    spent_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Standstill:
    """`short` is for a column of a table; `why` goes on a sentence; `todo` is one."""

    short: str
    why: str
    todo: str


def standing_of(row: Destination) -> Standing:
    return Standing(
        retired=row.is_retired or (row.node is not None and row.node.is_retired),
        paused=row.paused_at is not None,
        windows=tuple(row.windows),
        failures=row.failures,
        trouble=row.trouble,
        rests_until=row.rests_until,
        is_probed=row.probed_at is not None,
        images_per_minute=row.images_per_minute,
        megabytes_per_minute=row.megabytes_per_minute,
        spent_until=row.spent_until,
    )


def standstill(one: Standing, now: datetime, zone: tzinfo, trouble: str = "") -> Standstill | None:
    """What is in the way, the longest-lasting first; `trouble` where the destination itself notes none."""
    return (
        _by_a_person(one)
        or _by_its_hours(one, now, zone)
        or _by_its_trouble(one, now, one.trouble or trouble)
        or _by_its_limits(one, now)
    )


def standstill_of(row: Destination, now: datetime) -> Standstill | None:
    return standstill(standing_of(row), now, breaker.zone())


def _by_a_person(one: Standing) -> Standstill | None:
    if one.retired:
        return Standstill("retired", "this destination is retired", "Reinstate it, or drop the delivery.")
    if one.paused:
        todo = "Resume it in the admin (Destinations)."
        return Standstill("paused by a person", "a person paused this destination", todo)
    return None


def _by_its_hours(one: Standing, now: datetime, zone: tzinfo) -> Standstill | None:
    said = ", ".join(map(str, one.windows))
    try:
        hours = windows.hours([windows.read(said) for said in one.windows], now, zone)
    except (windows.WrongWindow, TypeError, AttributeError):
        why = f"the hours of this destination cannot be read ({said})"
        return Standstill("closed: its hours cannot be read", why, "Write its windows anew in the site file.")
    if hours.is_open:
        return None
    begin = f"; they begin again at {at(hours.until)}" if hours.until else ""
    why = f"it is outside the hours of this destination ({said}, {zone}){begin}"
    short = f"closed until {at(hours.until)}" if hours.until else "closed"
    return Standstill(short, why, "Wait, or change its windows in the site file.")


def _by_its_trouble(one: Standing, now: datetime, trouble: str) -> Standstill | None:
    why = sentence(trouble)
    if one.rests_until is not None and one.rests_until > now:
        todo = "It is asked again by itself; `manage.py doctor` shows whether it answers."
        return Standstill(
            f"rests until {at(one.rests_until)}", f"it rests until {at(one.rests_until)}: {why}", todo
        )
    if one.failures >= RESTS_AFTER and not one.is_probed:
        asked = f"it failed {one.failures} times in a row, and is asked whether it answers before anything is sent"
        return Standstill("is being asked whether it answers", f"{asked}: {why}", "Wait.")
    return None


def _by_its_limits(one: Standing, now: datetime) -> Standstill | None:
    if one.spent_until is None or one.spent_until <= now:
        return None
    limits = [f"{one.images_per_minute} images"] * bool(one.images_per_minute)
    limits += [f"{one.megabytes_per_minute} MB"] * bool(one.megabytes_per_minute)
    why = f"it takes {' and '.join(limits) or 'so much'} a minute; the next go at {at(one.spent_until)}"
    return Standstill(f"as fast as it may, next at {at(one.spent_until)}", why, "Wait.")


def at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def sentence(reason: str) -> str:
    text = reason.strip() or UNKNOWN
    return text if text.endswith((".", "!", "?")) else f"{text}."

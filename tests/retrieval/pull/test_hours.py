"""`--between`: a PACS is asked at its site's hours, by the clock on the wall there."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.conf import LazySettings
from django.core.management import CommandError

from proxy.management.pulling import options
from proxy.routing import windows

SUMMER_EVENING = datetime(2026, 7, 1, 17, 30, tzinfo=UTC)  # 19:30 in Berlin


def waited(window: str, now: datetime, monkeypatch: pytest.MonkeyPatch) -> tuple[timedelta, list[str]]:
    said: list[str] = []
    with time_machine.travel(now, tick=False) as clock:
        monkeypatch.setattr(options, "sleep", clock.shift)  # here only: other threads sleep, too
        options.waiting_for(windows.read(window), said.append)()
        return datetime.now(UTC) - now, said


def test_it_waits_for_the_sites_evening(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SITE_TIME_ZONE = "Europe/Berlin"
    took, said = waited("20:00-06:00", SUMMER_EVENING, monkeypatch)
    assert took == timedelta(minutes=30)
    assert said == ["Waiting until 20:00, as --between says."]


def test_it_waits_for_nothing_while_it_is_open(
    settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SITE_TIME_ZONE = "Europe/Berlin"
    assert waited("19:00-20:00", SUMMER_EVENING, monkeypatch) == (timedelta(), [])


def test_days_may_be_named(settings: LazySettings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SITE_TIME_ZONE = "UTC"
    took, _ = waited("Sat-Sun 00:00-24:00", SUMMER_EVENING, monkeypatch)  # a Wednesday
    assert SUMMER_EVENING + took == datetime(2026, 7, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["20-06", "24:00-06:00", "20:00-20:00", "20:60-21:00", "Someday 20:00-21:00"]
)
def test_hours_that_cannot_be_are_refused_with_advice(text: str) -> None:
    wanted = {"max": 1, "rate": 0.0, "between": text}
    with pytest.raises(CommandError, match="--between: "):
        options.read(wanted)

"""`replay`: says what would go, sends it once more, and refuses what cannot be meant."""

from datetime import UTC, datetime
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.conf import LazySettings
from django.core.management import CommandError, call_command
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.deliveries.models import Delivery
from proxy.management.moments import moment
from proxy.routing.models import Destination
from tests.scene import Scene

WHEN = datetime(2026, 3, 2, 17, 30, tzinfo=UTC)
SINCE = ("--destination", "archive", "--since", "2026-03-02T18:00")  # 17:00 in UTC


@pytest.fixture
def arrived(scene: Scene, settings: LazySettings) -> Delivery:
    settings.SITE_TIME_ZONE = "Europe/Berlin"
    Delivery.objects.update(state="delivered", acknowledged=2, finished_at=WHEN)
    return Delivery.objects.get()


def said(*options: str) -> str:
    out = StringIO()
    call_command("replay", *options, stdout=out)
    return out.getvalue()


def test_a_dry_run_says_what_would_go_and_changes_nothing(arrived: Delivery) -> None:
    before = list(Delivery.objects.values())
    text = said(*SINCE, "--until", "2026-03-02T18:31", "--dry-run")
    assert text == (
        "1 delivery (2 images) of between 2026-03-02 18:00:00 and 2026-03-02 18:31:00 (Europe/Berlin)"
        " would go to archive once more.\n"
    )
    assert list(Delivery.objects.values()) == before and not Entry.objects.filter(subject="archive").exists()


def test_it_sends_it_once_more_in_the_name_of_who_calls(arrived: Delivery) -> None:
    Destination.objects.filter(name="archive").update(paused_at=timezone.now())
    text = said(*SINCE, "--because", "its disk was lost")
    assert " goes to archive once more." in text
    assert "Nothing goes there now: a person paused this destination. Resume it" in text
    arrived.refresh_from_db()
    assert (arrived.state, arrived.get_priority_display()) == ("waiting", "Bulk")
    entry = Entry.objects.get(subject="archive")
    assert entry.actor.endswith("(console)") and entry.purpose == "its disk was lost"


@pytest.mark.parametrize("until", ["2026-03-02T18:30", "2026-03-02 17:30+00:00"])
def test_an_end_is_no_part_of_it(arrived: Delivery, until: str) -> None:
    assert said(*SINCE, "--until", until).startswith("0 deliveries (0 images)")


def test_what_has_expired_is_said(arrived: Delivery) -> None:
    type(arrived.revision).objects.update(state="expired")
    assert "1 delivery cannot: the files have expired here. Send them again" in said(*SINCE)


def test_what_is_excluded_by_now_is_said(arrived: Delivery) -> None:
    type(arrived.revision).objects.update(state="excluded")
    assert "1 delivery cannot: a series is excluded by now. It stays here until" in said(*SINCE)
    assert Delivery.objects.get().state == "delivered"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--destination", "archiv", "--since", "2026-03-02"),
            "There is no destination archiv; there are: archive",
        ),
        (("--destination", "archive", "--since", "yesterday"), "give a day or a time such as"),
        (("--destination", "archive", "--since", "2999-01-01"), "begins in the future"),
        ((*SINCE, "--until", "2026-03-01"), "ends before it begins"),
        ((*SINCE, "--priority", "stat"), "invalid choice"),
        (("--since", "2026-03-02"), "--destination"),
        (("--destination", "archive"), "--since"),
    ],
)
def test_what_cannot_be_meant_is_refused(arrived: Delivery, options: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        said(*options)
    assert Delivery.objects.get().state == "delivered"


def test_a_retired_destination_gets_nothing(arrived: Delivery) -> None:
    Destination.objects.filter(name="archive").update(retired_at=timezone.now())
    with pytest.raises(CommandError, match="archive is retired"):
        said(*SINCE)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-15", "2026-01-14T23:00"),
        ("2026-01-15 18:00", "2026-01-15T17:00"),
        ("2026-07-15T18:00:30", "2026-07-15T16:00:30"),
        ("2026-01-15T18:00+05:30", "2026-01-15T12:30"),
        ("2026-03-29T02:30", "2026-03-29T01:30"),  # the clock never showed it
        ("2026-10-25T02:30", "2026-10-25T00:30"),  # it did twice: the first one
    ],
)
def test_a_moment_is_meant_by_the_clock_of_the_site(text: str, utc: str) -> None:
    assert moment(text, ZoneInfo("Europe/Berlin")) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "18:00", "15.01.2026", "2026-13-01", "now", "0001-01-01", "2026-02-30"])
def test_what_is_no_moment_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match="give a day or a time such as"):
        moment(text, ZoneInfo("Asia/Tokyo"))

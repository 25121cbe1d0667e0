"""Quarantine: announced first, never less than three days before it goes; counted as excluded, with a mark."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.audit.models import Entry
from proxy.deliveries import ledger
from proxy.quarantine import decide, keeping
from proxy.quarantine.models import HeldItem
from proxy.retention import held, pages
from proxy.routing.match import RouteFacts
from tests import cast
from tests.deliveries.builders import NOW
from tests.reception.sending import send
from tests.retention.help import look

pytestmark = pytest.mark.django_db

MONTH = timedelta(days=30)
DAY = timedelta(days=1)


@pytest.fixture
def item(route: RouteFacts, settings: LazySettings) -> HeldItem:
    """A secondary capture, which may show a name."""
    settings.RETENTION_QUARANTINE = 30
    settings.DICOM_ACCEPTED_CLASSES = ["all"]
    image = cast.ct()
    image.BurnedInAnnotation = "YES"
    assert send(route, image) == 0
    HeldItem.objects.update(held_at=NOW)
    return HeldItem.objects.get()


def state() -> str:
    return HeldItem.objects.get().state


def files() -> list[Path]:
    return [path for path in keeping.folder().rglob("*") if path.is_file()]


def goes_at() -> datetime | None:
    return HeldItem.objects.get().goes_at


def test_it_is_announced_three_days_before_and_goes_on_the_day(item: HeldItem) -> None:
    assert not look(NOW + MONTH - 4 * DAY) and goes_at() is None
    assert not look(NOW + MONTH - 3 * DAY) and goes_at() == NOW + MONTH
    assert not look(NOW + MONTH - timedelta(seconds=1)) and state() == "held" and files()
    assert look(NOW + MONTH).held == 1
    row = HeldItem.objects.get()
    assert (row.state, row.decided_by, row.decided_at, row.comment) == (
        "expired", "retention", NOW + MONTH, held.WHY,
    )  # fmt: skip
    assert row.file_gone_at == NOW + MONTH and not files()
    [mark] = Entry.objects.filter(action="quarantine.decided")
    assert (mark.actor, mark.subject, mark.detail["decision"]) == ("retention", item.uid, "expire")
    [line] = ledger.balance()
    assert (line.received, line.excluded, line.expired, line.difference) == (1, 1, 1, 0)


def test_who_shortens_it_has_three_days_to_look(item: HeldItem, settings: LazySettings) -> None:
    settings.RETENTION_QUARANTINE = 1
    late = NOW + 20 * DAY
    assert not look(late) and goes_at() == late + held.ANNOUNCED
    assert not look(late + 2 * DAY) and look(late + 3 * DAY).held == 1


def test_who_lengthens_it_takes_the_announcement_back(item: HeldItem, settings: LazySettings) -> None:
    look(NOW + MONTH - DAY)
    assert goes_at() is not None
    settings.RETENTION_QUARANTINE = 90
    assert not look(NOW + MONTH) and goes_at() is None and state() == "held"
    assert not look(NOW + 3 * MONTH - 3 * DAY) and goes_at() == NOW + 3 * MONTH


def test_0_keeps_everything_until_a_person_decides(item: HeldItem, settings: LazySettings) -> None:
    look(NOW + MONTH - DAY)
    settings.RETENTION_QUARANTINE = 0
    assert not look(NOW + 1000 * DAY) and (state(), goes_at()) == ("held", None)
    assert decide.discard(item, "ada", now=NOW)
    assert not look(NOW + 1000 * DAY) and files()


def test_what_was_discarded_is_kept_as_long_from_the_decision_on(item: HeldItem) -> None:
    assert decide.discard(item, "ada", now=NOW + DAY)
    look(NOW + MONTH)
    assert files() and state() == "discarded"
    look(NOW + MONTH + DAY)
    assert not files() and state() == "discarded"


def test_a_person_who_decides_on_the_day_is_heard(item: HeldItem) -> None:
    look(NOW + MONTH - 3 * DAY)
    assert decide.discard(item, "ada", now=NOW + MONTH)
    assert not look(NOW + MONTH) and state() == "discarded"


def test_the_file_of_one_that_was_let_in_before_a_kill_goes(item: HeldItem) -> None:
    HeldItem.objects.update(state="released", decided_at=NOW)
    look(NOW)
    assert not files() and HeldItem.objects.get().file_gone_at == NOW


def test_a_held_image_whose_file_is_gone_already_expires_all_the_same(item: HeldItem) -> None:
    (keeping.folder() / item.path).unlink()
    look(NOW + MONTH - 3 * DAY)
    assert look(NOW + MONTH).held == 1


def test_many_are_looked_at_in_pages(item: HeldItem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 3)
    for number in range(10):
        HeldItem.objects.create(
            project=item.project, route=item.route, code="burned-in", reason="-", transfer_syntax="1.2", size=1,
            path=f"1/{number}.sealed", uid=f"2.25.{number}", held_at=NOW,
        )  # fmt: skip
    look(NOW + MONTH - 3 * DAY)
    assert look(NOW + MONTH).held == 11
    assert set(HeldItem.objects.values_list("state", flat=True)) == {"expired"}

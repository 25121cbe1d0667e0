"""Each rule with a real database: what it finds, and what it leaves alone. No identity in any of it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from proxy.alerts.findings import Finding
from proxy.alerts.lifecycle import GIVEN_UP, TOLD
from proxy.alerts.models import Notice
from proxy.alerts.rules import BY_NAME, RULES, books
from proxy.backend.models import Standing
from proxy.deliveries.ledger import Line
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Destination, Node
from proxy.studies.models import PacsCount, Revision, Study
from proxy.vault import keyring
from proxy.vault.pseudonyms import forget_cache
from tests.cast import NEEDLES
from tests.deliveries.builders import NOW, a_folder, a_peer, a_revision, a_route, a_waiting_delivery, opened
from tests.deliveries.test_ledger import a_held_item
from tests.scene import make_scene

pytestmark = pytest.mark.django_db

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LATER = NOW + timedelta(days=30)


def look(name: str, now: datetime = LATER) -> dict[str, Finding]:
    return {one.subject: one for one in BY_NAME[name].look(now)}


def some_deliveries(number: int, to: Destination, first: int = 0, **facts: Any) -> None:
    for study in range(first, first + number):
        opened(a_revision(study + 1, 1, destinations=(to,)), to)
    Delivery.objects.filter(destination=to).update(**facts)


def test_an_empty_house_has_nothing_to_tell(settings: LazySettings, tmp_path: Path, audit_keys: None) -> None:
    settings.AUDIT_ANCHORS = tmp_path / "anchors"
    settings.DISK_WATERMARK, settings.ALERT_DISK_PERCENT, settings.ALERT_KEYS_MB = 0, 0, 0
    for rule in RULES:
        assert list(rule.look(LATER)) == [], rule.name


def test_names_are_unique_and_every_rule_says_what_to_do() -> None:
    assert len(BY_NAME) == len(RULES) + 1
    for rule in BY_NAME.values():
        assert rule.title and rule.advice.endswith(".") and len(rule.name) <= 32


class TestADestinationThatRests:
    def test_is_found_with_its_last_reason_and_what_waits(self) -> None:
        archive = a_peer()
        some_deliveries(2, archive)
        Destination.objects.update(failures=7, rests_until=LATER, trouble="Nothing listens there.")
        said = look("destination-resting")["ARCHIVE"].sentence
        assert said == (
            "It has failed 7 times in a row and rests between its tries; 2 deliveries waiting. Nothing listens there."
        )

    @pytest.mark.parametrize(
        "facts",
        [
            {"failures": 0, "rests_until": LATER},
            {"failures": 2, "rests_until": None},
            {"failures": 9, "rests_until": LATER, "retired_at": NOW},
            {"failures": 9, "rests_until": LATER, "paused_at": NOW},
        ],
    )
    def test_and_one_that_does_not_is_left_alone(self, facts: dict[str, object]) -> None:
        a_peer()
        Destination.objects.update(**facts)
        assert look("destination-resting") == {}


class TestADestinationThatIsPaused:
    def test_is_found_after_a_day_if_something_waits(self) -> None:
        archive = a_peer()
        some_deliveries(1, archive)
        Destination.objects.update(paused_at=LATER - DAY)
        assert look("destination-paused") == {}
        assert "1 delivery waiting" in look("destination-paused", LATER + MINUTE)["ARCHIVE"].sentence

    def test_and_one_for_which_nothing_waits_is_left_alone(self) -> None:
        a_peer()
        Destination.objects.update(paused_at=NOW)
        assert look("destination-paused") == {}


class TestADestinationThatWasRetired:
    """Somebody takes a dead one out of the site file: what waited for it waited in silence."""

    def test_is_found_while_something_had_not_arrived(self) -> None:
        archive = a_peer()
        some_deliveries(2, archive)
        Destination.objects.update(retired_at=NOW)
        [finding] = look("destination-retired").values()
        assert (finding.subject, finding.weight) == ("ARCHIVE", 2)

    def test_and_so_is_one_whose_node_was(self) -> None:
        some_deliveries(1, a_peer(), state="refused")
        Node.objects.update(retired_at=NOW)
        assert look("destination-retired")["ARCHIVE"].weight == 1

    @pytest.mark.parametrize("state", ["delivered", "dropped"])
    def test_and_one_for_which_nothing_waits_is_left_alone(self, state: str) -> None:
        some_deliveries(1, a_peer(), state=state)
        some_deliveries(1, a_folder(), first=9)
        Destination.objects.filter(kind="dimse").update(retired_at=NOW)
        assert look("destination-retired") == {}


class TestRefusedDeliveries:
    def test_are_counted_for_each_destination(self) -> None:
        some_deliveries(3, a_peer(), state="refused")
        some_deliveries(1, a_folder(), first=9, state="waiting")
        [finding] = look("delivery-refused").values()
        assert (finding.subject, finding.weight) == ("ARCHIVE", 3)

    def test_results_that_should_come_home_too(self) -> None:
        home = a_peer("HOME")
        route = a_route()
        result = Result.objects.create(
            project=route.project, route=route, node=Node.objects.get(), patient="p", study_uid="2.25.1",
            certainty="study", uid="1.2", sop_class="1", transfer_syntax="1", digest="d", path="x", size=1,
            received_at=NOW,
        )  # fmt: skip
        Homecoming.objects.create(result=result, destination=home, state="refused", next_try_at=NOW)
        assert look("delivery-refused")["HOME (results)"].weight == 1


class TestStudiesThatDoNotMove:
    @pytest.mark.parametrize("state", ["receiving", "complete"])
    def test_that_nobody_settles(self, state: str) -> None:
        a_revision(1, state=state)
        assert look("study-stuck", NOW + 10 * MINUTE) == {}
        assert look("study-stuck", NOW + 11 * MINUTE)["settling"].weight == 1

    def test_that_wait_for_what_their_pacs_has_are_not_stuck(self) -> None:
        asked_about(a_revision(1, state="receiving"), next_at=LATER)
        assert look("study-stuck") == {}
        PacsCount.objects.update(next_at=NOW)
        assert look("study-stuck")["settling"].weight == 1, "nobody asks any more"

    def test_that_are_released_and_have_no_delivery(self) -> None:
        a_revision(1, state="released", destinations=(a_folder(), a_peer()))
        a_revision(2, state="released")
        assert look("study-stuck")["settling"].weight == 1

    def test_that_are_held_wait_for_a_person_and_are_not_stuck(self) -> None:
        a_revision(1, state="complete")
        Study.objects.update(held_at=NOW)
        assert look("study-stuck") == {}
        assert look("study-waits")["held"].weight == 1

    @pytest.mark.parametrize(
        ("facts", "found"),
        [
            ({"attempts": 10, "next_try_at": LATER}, True),
            ({"attempts": 9, "next_try_at": LATER}, False),
            ({"attempts": 0, "next_try_at": LATER - DAY}, False),
            ({"attempts": 0, "next_try_at": LATER - DAY - MINUTE}, True),
            ({"attempts": 99, "next_try_at": NOW, "state": "delivered"}, False),
            ({"attempts": 99, "next_try_at": NOW, "state": "refused"}, False),
        ],
    )
    def test_whose_delivery_fails_again_and_again_or_is_not_taken_up(
        self, facts: dict[str, Any], found: bool
    ) -> None:
        some_deliveries(1, a_folder(), **facts)
        assert bool(look("study-stuck").get("outbox")) is found

    @pytest.mark.parametrize(
        ("changes", "is_sending"),
        [({"windows": ["22:00-06:00"]}, False), ({"spent_until": NOW}, False), ({}, True)],
    )
    def test_that_have_their_turn_late_where_that_takes_its_time_are_not_stuck(
        self, changes: dict[str, object], is_sending: bool
    ) -> None:
        late = a_waiting_delivery()
        other = a_waiting_delivery(2)
        assert look("study-stuck")["outbox"].weight == 2
        Destination.objects.update(**changes)
        if is_sending:
            Delivery.objects.filter(pk=other.pk).update(state="claimed", lease_until=LATER)
        assert look("study-stuck") == {}
        Delivery.objects.filter(pk=late.pk).update(attempts=10)
        assert look("study-stuck")["outbox"].weight == 1

    @pytest.mark.parametrize("facts", [{"paused_at": NOW}, {"rests_until": LATER}, {"retired_at": NOW}])
    def test_at_a_destination_with_an_alert_of_its_own(self, facts: dict[str, object]) -> None:
        some_deliveries(1, a_folder(), attempts=99)
        Destination.objects.update(**facts)
        assert look("study-stuck") == {}


class TestStudiesWithoutImagesThatTheirPacsHas:
    def test_are_counted_for_each_pacs_for_a_day(self) -> None:
        for study in (1, 2):
            asked_about(a_revision(study), said=9, here=3, not_taken=1, settled_at=NOW)
        asked_about(a_revision(3), said=9, here=8, not_taken=1, settled_at=NOW)
        [finding] = look("study-incomplete", NOW + HOUR).values()
        assert (finding.subject, finding.weight) == ("PACS", 2)
        assert "it has 10 images more of them" in finding.sentence
        assert look("study-incomplete", NOW + DAY + MINUTE) == {}

    def test_are_none_while_they_wait_or_when_the_rest_has_come(self) -> None:
        asked_about(a_revision(1), said=9, here=3)
        assert look("study-incomplete", NOW) == {}
        PacsCount.objects.update(settled_at=NOW)
        asked_about(a_revision(1, number=2), said=9, here=9, settled_at=NOW)
        assert look("study-incomplete", NOW) == {}


def asked_about(revision: Revision, **facts: Any) -> PacsCount:
    node, _ = Node.objects.get_or_create(
        name="PACS", defaults={"ae_title": "PACS", "host": "127.0.0.1", "port": 104}
    )
    said = {"node": node, "total": revision.total, "since": NOW, "next_at": NOW, **facts}
    return PacsCount.objects.create(revision=revision, **said)


def test_a_review_that_nobody_does_is_found_after_a_day(settings: LazySettings) -> None:
    a_revision(1, state="review")
    assert look("study-waits", NOW + DAY) == {}
    assert look("study-waits", NOW + DAY + MINUTE)["review"].weight == 1
    settings.ALERT_STUCK_HOURS = 48
    assert look("study-waits", NOW + DAY + MINUTE) == {}


def test_images_in_quarantine_are_counted_by_their_gate() -> None:
    for code in ("burned-in", "burned-in", "two-persons"):
        a_held_item()
        last = HeldItem.objects.order_by("-pk").first()
        assert last is not None
        HeldItem.objects.filter(pk=last.pk).update(code=code)
    a_held_item(state="discarded")
    HeldItem.objects.filter(code="two-persons").update(goes_at=LATER)
    found = look("quarantine")
    assert {code: one.weight for code, one in found.items()} == {"burned-in": 2, "two-persons": 1}
    assert found["burned-in"].sentence == "2 images held, the first since 2026-01-15 09:30 UTC."
    assert "lets the first go on 2026-02-14" in found["two-persons"].sentence


def test_books_that_do_not_balance_are_found__promise_4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "PAUSE", 0.0)
    outbox = a_folder()
    opened(a_revision(1, 4, destinations=(outbox,)), outbox)
    assert look("ledger-off") == {}
    Delivery.objects.all().delete()
    finding = look("ledger-off")["outbox"]
    assert (finding.weight, finding.sentence) == (
        4,
        "Received and accounted for differ by 4 of 4 images.",
    )


def test_a_study_between_its_release_and_its_deliveries_is_no_trouble(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another one each time: what is off at every look is the least of them."""
    monkeypatch.setattr(books, "PAUSE", 0.0)
    said = iter([[5, 7], [9, 0], [4, 3]])
    lines = lambda: [Line(f"D{at}", 100, 100 - off, 0, 0, 0) for at, off in enumerate(next(said))]  # noqa: E731
    monkeypatch.setattr(books, "balance", lines)
    assert {name: one.weight for name, one in look("ledger-off").items()} == {"D0": 4}


class TestRetention:
    def test_revisions_that_nobody_looked_at(self) -> None:
        a_revision(1, state="delivered")
        Revision.objects.update(look_at=LATER - 2 * DAY)
        assert look("retention-overdue") == {}
        assert look("retention-overdue", LATER + MINUTE)["studies"].weight == 1

    def test_files_of_what_has_expired(self) -> None:
        a_revision(1, state="expired")
        Revision.objects.update(ended_at=LATER - 3 * DAY)
        assert look("retention-overdue")["files"].weight == 1
        Revision.objects.update(files_gone_at=LATER)
        assert look("retention-overdue") == {}

    def test_held_images_whose_day_has_passed(self) -> None:
        a_held_item()
        HeldItem.objects.update(goes_at=LATER - 3 * DAY)
        assert look("retention-overdue")["quarantine"].weight == 1


class TestTheBackend:
    @pytest.fixture(autouse=True)
    def has_one(self, settings: LazySettings) -> None:
        settings.ITH_URL = "https://backend.example"

    def test_is_left_alone_where_there_is_none(self, settings: LazySettings) -> None:
        settings.ITH_URL = ""
        assert look("backend-away") == {}

    @pytest.mark.parametrize(
        ("facts", "expected"),
        [
            ({"state": "never"}, "never asked"),
            ({"state": "away", "reason": "It cannot be reached."}, "It cannot be reached."),
            ({"state": "unauthorised"}, "our key is not accepted"),
            ({"state": "known", "is_active": False}, "inactive"),
            ({"state": "known"}, "WebSocket"),
            ({"state": "known", "connected_at": NOW, "heard_at": LATER - 3 * MINUTE}, "WebSocket"),
        ],
    )
    def test_is_found_with_what_is_wrong(self, facts: dict[str, object], expected: str) -> None:
        Standing.objects.create(pk=1, **facts)
        assert expected in look("backend-away")["backend"].sentence

    def test_that_was_never_asked_is_found_too(self) -> None:
        assert "link" in look("backend-away")["backend"].sentence

    def test_that_answers_is_left_alone(self) -> None:
        Standing.objects.create(pk=1, state="known", connected_at=NOW, heard_at=LATER)
        assert look("backend-away") == {}


def test_notices_that_cannot_be_told_are_found() -> None:
    for state, made_at in (
        ("waiting", LATER - 2 * HOUR),
        ("waiting", LATER - 2 * MINUTE),
        (GIVEN_UP, LATER - HOUR),
        (GIVEN_UP, LATER - 2 * DAY),
        (TOLD, LATER - 2 * HOUR),
    ):
        Notice.objects.create(channel="mail", state=state, body={}, made_at=made_at, next_try_at=made_at)
    assert look("channel-silent")["mail"].weight == 2


def test_no_rule_names_a_person_or_a_pseudonym__promise_8(settings: LazySettings, tmp_path: Path) -> None:
    """A scene with everything in it, and all that is found is read."""
    settings.KEY_DIR = tmp_path / "keys"
    forget_cache()
    keyring.ensure_keys(settings.KEY_DIR)
    scene = make_scene()
    settings.DISK_WATERMARK, settings.ITH_URL = 10_000_000, "https://backend.example"
    Destination.objects.update(failures=9, rests_until=LATER)
    Study.objects.update(held_at=NOW)
    now = datetime(2027, 1, 1, tzinfo=UTC)
    found = [one for rule in RULES for one in rule.look(now)]
    assert len({one.subject for one in found}) >= 5
    said = " ".join(f"{one.subject} {one.sentence}" for one in found)
    for needle in (*NEEDLES, scene.person.pseudonym, scene.study.uid, scene.item.uid, str(tmp_path)):
        assert needle not in said

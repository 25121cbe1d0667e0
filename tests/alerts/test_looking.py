"""From a rule's finding to a notice, with a real database: raised once, told once, cleared once."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from proxy.alerts import clearing, looking, notices
from proxy.alerts.channels import CHANNELS
from proxy.alerts.deciding import decide
from proxy.alerts.findings import MINUTE, Finding, Rule
from proxy.alerts.lifecycle import CLEARED, RAISED, SEEN, STILL
from proxy.alerts.models import Alert, Look, Notice
from proxy.audit.models import Entry

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class World:
    """What the only rule finds, and a clock that somebody turns."""

    def __init__(self, **facts: timedelta) -> None:
        self.found: list[Finding] = []
        self.now = NOW
        self.rule = Rule("test-rule", "it is wrong", "Mend it.", lambda now: list(self.found), **facts)

    def later(self, minutes: int) -> int:
        self.now += minutes * MINUTE
        return looking.look(self.now, rules=[self.rule])


@pytest.fixture(autouse=True)
def mailed(settings: LazySettings) -> None:
    settings.ALERT_EMAIL_TO = ["pacs@example.org"]


def states() -> list[str]:
    return list(Alert.objects.order_by("pk").values_list("state", flat=True))


def events() -> list[str]:
    """In the order in which they would be told."""
    return [one["event"] for notice in Notice.objects.order_by("pk") for one in notice.body["alerts"]]


def test_what_is_found_is_told_once_and_told_again_when_it_is_gone() -> None:
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]
    assert [world.later(1) for _ in range(60)] == [1, *([0] * 59)]
    assert (states(), events()) == ([RAISED], ["raised"])
    world.found = []
    assert sum(world.later(1) for _ in range(60)) == 1
    assert (states(), events()) == ([CLEARED], ["raised", "cleared"])


def test_the_next_time_is_another_alert() -> None:
    world = World()
    for found in ([Finding("ARCHIVE", "It rests.")], [], [Finding("ARCHIVE", "It rests.")]):
        world.found = found
        for _ in range(10):
            world.later(1)
    assert states() == [CLEARED, RAISED]
    assert events() == ["raised", "cleared", "raised"]


def test_what_needs_patience_is_seen_first_and_leaves_no_trace_if_it_passes() -> None:
    world = World(patience=5 * MINUTE)
    world.found = [Finding("ARCHIVE", "It rests.")]
    world.later(1)
    assert (states(), events()) == ([SEEN], [])
    world.found = []
    world.later(1)
    assert (states(), events()) == ([], [])
    world.found = [Finding("ARCHIVE", "It rests.")]
    for _ in range(6):
        world.later(1)
    assert (states(), events()) == ([RAISED], ["raised"])


def test_only_what_is_twice_as_bad_is_told_again_and_not_too_soon() -> None:
    world = World(calm=30 * MINUTE)
    for images in (10, 12, 19):
        world.found = [Finding("burned-in", f"{images} images.", images)]
        world.later(40)
    assert events() == ["raised"]
    world.found = [Finding("burned-in", "20 images.", 20)]
    world.later(40)
    assert events() == ["raised", "worse"]
    world.found = [Finding("burned-in", "80 images.", 80)]
    world.later(1)
    assert events() == ["raised", "worse"]
    world.later(30)
    assert events() == ["raised", "worse", "worse"]
    assert Alert.objects.get().sentence == "80 images."


def test_the_sentence_follows_what_is_found_without_a_word() -> None:
    world = World()
    for days in (9, 8, 7):
        world.found = [Finding("DICOM_TLS_CERTIFICATE", f"{days} days.")]
        world.later(1)
    assert Alert.objects.get().sentence == "7 days."
    assert events() == ["raised"]


def test_a_rule_looks_only_when_its_turn_has_come() -> None:
    world = World(every=60 * MINUTE)
    looked: list[int] = []
    rule = Rule("slow", "t", "a", lambda now: looked.append(1) or (), every=60 * MINUTE)  # type: ignore[func-returns-value]
    for minute in range(0, 180, 5):
        looking.look(NOW + minute * MINUTE, rules=[rule])
    assert len(looked) == 3
    assert not looking.claim(rule, NOW + 150 * MINUTE)
    assert world.later(1) == 0


def test_a_rule_that_breaks_is_an_alert_and_its_alerts_stay_as_they_are() -> None:
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]
    world.later(1)

    def broken(now: datetime) -> Iterable[Finding]:
        yield Finding("OTHER", "This is not believed.")
        raise RuntimeError("Exampleova^Adalberta")

    bad = Rule("test-rule", "it is wrong", "Mend it.", broken)
    good = Rule("good", "it is wrong", "Mend it.", lambda now: [Finding("OTHER", "It rests.")])
    for minute in range(2, 20):
        looking.look(NOW + minute * MINUTE, rules=[bad, good])
    said = dict(Alert.objects.values_list("rule", "state"))
    assert said == {"test-rule": RAISED, "good": RAISED, "blind": RAISED}
    blind = Alert.objects.get(rule="blind")
    assert (blind.subject, blind.sentence) == ("test-rule", "Looking ended in RuntimeError.")
    for minute in range(20, 40):
        looking.look(NOW + minute * MINUTE, rules=[world.rule, good])
    assert Alert.objects.get(rule="blind").state == CLEARED


def test_no_alert_is_raised_without_its_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between the two would leave an alert that nobody ever hears of."""
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]

    def crash(*_: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(notices, "make", crash)
        with pytest.raises(RuntimeError):
            world.later(1)
    assert states() == []
    world.later(1)
    assert (states(), events()) == ([RAISED], ["raised"])


def test_a_rule_that_was_turned_off_looks_no_more_and_its_alerts_are_cleared(settings: LazySettings) -> None:
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]
    world.later(1)
    settings.ALERT_RULES_OFF = ["test-rule"]
    world.later(1)
    alert = Alert.objects.get()
    assert (alert.state, alert.cleared_by) == (CLEARED, "ALERT_RULES_OFF")
    assert events() == ["raised"]


def test_the_table_refuses_two_open_alerts_for_one_subject() -> None:
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]
    world.later(1)
    row = Alert.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_what_somebody_else_wrote_down_first_is_theirs_to_tell() -> None:
    rule = Rule("test-rule", "it is wrong", "Mend it.", lambda now: ())
    found = {"ARCHIVE": Finding("ARCHIVE", "It rests.")}
    assert len(looking.keep(rule, found, NOW)) == 1
    known = looking._first(rule, next(iter(decide(rule, {}, found, NOW))), NOW + MINUTE)
    assert known == []


def test_of_too_many_findings_so_many_are_alerts() -> None:
    world = World()
    world.found = [Finding(f"D{number}", "It rests.") for number in range(looking.MOST + 50)]
    world.later(1)
    assert Alert.objects.count() == looking.MOST
    body = Notice.objects.get().body
    assert (len(body["alerts"]), body["more"]) == (notices.MOST_TOLD, looking.MOST - notices.MOST_TOLD)


def test_a_person_clears_an_alert_with_a_mark_and_it_comes_again_if_it_is_still_so(
    audit_keys: None,
) -> None:
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]
    world.later(1)
    row = Alert.objects.get()
    assert clearing.clear(row, "chief", world.now)
    assert not clearing.clear(row, "chief", world.now)
    row.refresh_from_db()
    assert (row.state, row.cleared_by) == (CLEARED, "chief")
    entry = Entry.objects.order_by("sequence").last()
    assert entry is not None and (entry.action, entry.actor) == ("alert.cleared-by-a-person", "chief")
    world.later(1)
    assert states() == [CLEARED, RAISED]


def test_an_alert_somebody_was_told_of_is_still_there() -> None:
    world = World()
    world.found = [Finding("ARCHIVE", "It rests.")]
    world.later(1)
    notice = notices.claim("mail", world.now)
    assert notice is not None
    notices.finish(notice, None, world.now)
    assert states() == [STILL]


def test_looks_are_written_down() -> None:
    world = World()
    world.later(1)
    assert Look.objects.get(rule="test-rule").looked_at == world.now


def test_a_stop_ends_the_round_before_the_next_rule() -> None:
    assert looking.look(NOW, going=lambda: False) == 0
    assert not Look.objects.exclude(looked_at=None).exists()


def test_a_clock_that_was_ahead_for_a_while_silences_nothing__promise_12() -> None:
    """What it wrote lies ten years ahead: looks, patience, calm and the end of an alert."""
    world = World(patience=5 * MINUTE)
    world.now += timedelta(days=3653)
    world.found = [Finding("ARCHIVE", "It rests."), Finding("OLD", "It rests.")]
    for _ in range(6):
        world.later(1)
    Alert.objects.filter(subject="ARCHIVE").update(state=SEEN)
    world.found = world.found[:1]
    world.later(1)
    world.now = NOW
    world.later(1)
    assert dict(Alert.objects.values_list("subject", "state")) == {"ARCHIVE": RAISED, "OLD": CLEARED}


def test_a_round_with_nothing_to_do_writes_nothing() -> None:
    """On SQLite whoever writes keeps the listener waiting."""
    world = World(every=60 * MINUTE)
    world.later(1)
    with CaptureQueriesContext(connection) as asked:
        world.later(1)
        for one in CHANNELS:
            notices.tell(one, lambda: world.now)
    assert asked.captured_queries
    assert all(one["sql"].startswith("SELECT") for one in asked.captured_queries)

"""Alerts about the audit: it was tampered with, its triggers are gone, its syslog server does not get it."""

from datetime import datetime, timedelta

import pytest
from django.conf import LazySettings
from django.db import connection
from django.utils import timezone

from proxy.alerts import looking
from proxy.alerts.findings import Finding
from proxy.alerts.lifecycle import CLEARED
from proxy.alerts.models import Alert, Notice
from proxy.alerts.rules import BY_NAME
from proxy.audit import guard, sending
from proxy.audit.models import Forwarding
from proxy.audit.record import record

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def look(name: str, after: timedelta = timedelta(0)) -> list[Finding]:
    return list(BY_NAME[name].look(timezone.now() + after))


def test_triggers_that_are_gone_are_an_alert() -> None:
    assert look("audit-unguarded") == []
    guard.lift(connection)
    [found] = look("audit-unguarded")
    assert "triggers" in found.sentence
    guard.install(connection)
    assert look("audit-unguarded") == []


def looked(now: datetime) -> list[tuple[str, str]]:
    """As `work` does it; alerts that are open then."""
    looking.look(now, rules=[BY_NAME["audit-damaged"]])
    return list(Alert.objects.exclude(state=CLEARED).order_by("pk").values_list("subject", "sentence"))


def change(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def test_what_was_done_to_the_audit_is_an_alert(audit_keys: None) -> None:
    for number in range(5):
        record("identity.viewed", actor="ada", detail={"n": number})
    now = timezone.now()
    assert looked(now) == []
    guard.lift(connection)
    change("UPDATE audit_entry SET actor = 'mallory' WHERE sequence = 2")
    guard.install(connection)
    first = ("edited at 2", "Entry 2 was changed after being written.")
    assert looked(now + timedelta(minutes=5)) == [first]
    guard.lift(connection)
    change("DELETE FROM audit_entry WHERE sequence = 4")
    guard.install(connection)
    second = ("deleted at 4", "Entry 4 was deleted.")
    assert looked(now + timedelta(minutes=10)) == [first, second], "the triggers are back, and yet"
    assert Notice.objects.count() == 0 and Alert.objects.filter(state="raised").count() == 2


def test_a_long_chain_is_read_once_an_hour_and_its_alert_stays_meanwhile(
    audit_keys: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("proxy.alerts.rules.audit.AT_ONCE", 3)
    for number in range(5):
        record("identity.viewed", actor="ada", detail={"n": number})
    guard.lift(connection)
    change("UPDATE audit_entry SET actor = 'mallory' WHERE sequence = 2")
    hour = timezone.now().replace(minute=0) + 2 * HOUR
    assert looked(hour.replace(minute=30)) == []
    assert [subject for subject, _ in looked(hour + HOUR + timedelta(minutes=3))] == ["edited at 2"]
    for minutes in range(10, 60, 5):
        assert [subject for subject, _ in looked(hour + HOUR + timedelta(minutes=minutes))] == ["edited at 2"]


def test_of_many_findings_some_are_told_and_how_many_there_are(audit_keys: None) -> None:
    for number in range(30):
        record("identity.viewed", actor="ada", detail={"n": number})
    guard.lift(connection)
    change("UPDATE audit_entry SET actor = 'mallory' WHERE sequence % 2 = 0")
    found = look("audit-damaged")
    assert [one.subject for one in found[:2]] == ["edited at 2", "edited at 4"]
    assert len(found) == 11 and "15 findings" in found[-1].sentence


def test_entries_that_wait_long_for_the_syslog_server_are_an_alert(
    audit_keys: None, settings: LazySettings
) -> None:
    record("identity.viewed", actor="ada")
    record("identity.viewed", actor="ada")
    assert look("audit-unsent", 2 * HOUR) == [], "there is none"
    settings.AUDIT_SYSLOG = "127.0.0.1:6514"
    assert look("audit-unsent") == [], "they have just been made"
    [found] = look("audit-unsent", 2 * HOUR)
    assert found.subject == "127.0.0.1:6514" and found.sentence.startswith("2 entries")
    Forwarding.objects.update(reason="127.0.0.1:6514 did not answer in time.")
    assert "did not answer" in look("audit-unsent", 2 * HOUR)[0].sentence
    Forwarding.objects.filter(name=sending.SYSLOG).update(up_to=2)
    assert look("audit-unsent", 2 * HOUR) == []

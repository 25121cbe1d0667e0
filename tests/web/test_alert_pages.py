"""Alerts and notices as pages: what is wrong, what to do, and who was told."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from proxy.alerts.models import Alert, Look, Notice
from proxy.audit.models import Entry
from tests.scene import Scene
from tests.web.conftest import colleague


@pytest.fixture
def alert(scene: Scene) -> Alert:
    now = timezone.now()
    facts = {"state": "still", "sentence": "It has failed 3 times.", "found_at": now, "seen_at": now}
    Alert.objects.create(rule="disk", subject="not yet told", **{**facts, "state": "seen"})
    return Alert.objects.create(rule="destination-resting", subject="ARCHIVE", raised_at=now, **facts)


def act(client: Client, model: str, action: str, pk: int) -> str:
    page = reverse(f"admin:alerts_{model}_changelist")
    return client.post(page, {"action": action, "_selected_action": [pk]}, follow=True).content.decode()


def test_an_alert_says_what_it_is_and_what_to_do(chief: Client, alert: Alert) -> None:
    text = chief.get(reverse("admin:alerts_alert_changelist")).content.decode()
    assert "ARCHIVE" in text and "the destination rests" in text and "not yet told" not in text
    one = chief.get(reverse("admin:alerts_alert_change", args=[alert.pk])).content.decode()
    assert "See that it runs and can be reached" in one


def test_a_person_clears_it_with_a_mark(chief: Client, alert: Alert) -> None:
    assert "1 cleared" in act(chief, "alert", "clear", alert.pk)
    alert.refresh_from_db()
    assert (alert.state, alert.cleared_by) == ("cleared", "chief")
    assert Entry.objects.filter(action="alert.cleared-by-a-person", actor="chief").count() == 1


def test_who_may_only_look_clears_nothing(alert: Alert) -> None:
    viewer = colleague("alerts.view_alert")
    assert viewer.get(reverse("admin:alerts_alert_changelist")).status_code == 200
    act(viewer, "alert", "clear", alert.pk)
    alert.refresh_from_db()
    assert alert.state == "still"
    assert colleague_without().get(reverse("admin:alerts_alert_changelist")).status_code == 403


def colleague_without() -> Client:
    from django.contrib.auth.models import User

    client = Client()
    client.force_login(User.objects.create(username="other", is_staff=True))
    return client


def test_a_notice_that_was_given_up_is_told_again(chief: Client, scene: Scene) -> None:
    now = timezone.now()
    row = Notice.objects.create(
        channel="mail", state="given up", body={}, made_at=now, next_try_at=now, reason="It does not answer."
    )
    assert "It does not answer." in chief.get(reverse("admin:alerts_notice_changelist")).content.decode()
    assert "1 will be told again" in act(chief, "notice", "again", row.pk)
    row.refresh_from_db()
    assert row.state == "waiting"
    assert "somebody was faster" in act(chief, "notice", "again", row.pk)


def test_a_stranger_sees_the_login_alone(client: Client, db: None) -> None:
    for model in ("alert", "notice"):
        assert client.get(reverse(f"admin:alerts_{model}_changelist")).status_code == 302


def test_the_first_page_says_what_is_open_and_whether_anybody_looks(chief: Client, alert: Alert) -> None:
    first = reverse("admin:index")
    assert "No rule has looked for trouble; does `work` run?" in chief.get(first).content.decode()
    row = Look.objects.create(rule="disk", next_at=timezone.now(), looked_at=timezone.now())
    assert "Open alerts: ARCHIVE." in chief.get(first).content.decode()
    Alert.objects.update(state="cleared")
    assert "No alert is open." in chief.get(first).content.decode()
    Look.objects.filter(pk=row.pk).update(looked_at=timezone.now() - timedelta(minutes=11))
    assert "No rule has looked for trouble since" in chief.get(first).content.decode()
    assert "No rule has looked" not in colleague().get(first).content.decode()

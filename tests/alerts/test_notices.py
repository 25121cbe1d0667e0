"""The queue of notices with a real database and real servers: in order, tried again, given up, never lost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import LazySettings

from proxy.alerts import notices
from proxy.alerts.channels import CHANNELS, Channel, NotTold
from proxy.alerts.lifecycle import CLAIMED, CLEARED, GIVEN_UP, RAISED, STILL, TOLD, WAITING
from proxy.alerts.models import Alert, Notice
from tests.alerts.post import mail_server, webhook
from tests.alerts.test_mail import use

pytestmark = pytest.mark.django_db


def tell(now: datetime) -> int:
    """On every channel, as `work` does."""
    return sum(notices.tell(one, lambda: now) for one in CHANNELS)


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def an_alert(subject: str = "ARCHIVE", state: str = RAISED) -> Alert:
    return Alert.objects.create(
        rule="destination-resting",
        subject=subject,
        state=state,
        sentence="It rests.",
        found_at=NOW,
        seen_at=NOW,
        raised_at=NOW,
    )


@pytest.fixture
def both(settings: LazySettings) -> None:
    settings.ALERT_EMAIL_TO = ["pacs@example.org"]
    settings.ALERT_WEBHOOK_URL = "http://127.0.0.1:9/hook"
    settings.ALERT_WEBHOOK_SECRET = "0123456789abcdef"


def test_each_channel_that_is_set_has_a_notice_of_its_own(both: None) -> None:
    notices.make([("raised", an_alert())], NOW)
    assert sorted(Notice.objects.values_list("channel", flat=True)) == ["mail", "webhook"]


def test_without_a_channel_there_is_nothing_to_tell_and_the_alert_stays_raised() -> None:
    assert notices.make([("raised", an_alert())], NOW) == 0
    assert Alert.objects.get().state == RAISED


def test_one_channel_that_is_dead_keeps_nothing_from_the_other(settings: LazySettings, both: None) -> None:
    notices.make([("raised", an_alert())], NOW)
    with webhook() as server, mail_server(fault={"EHLO": "cut"}) as dead:
        use(settings, dead)
        settings.ALERT_WEBHOOK_URL = server.url
        assert tell(NOW) == 1
        assert [body["alerts"][0]["subject"] for body in server.bodies] == ["ARCHIVE"]
    assert Alert.objects.get().state == STILL
    waiting = Notice.objects.get(channel="mail")
    assert (waiting.state, waiting.tries, waiting.next_try_at) == (WAITING, 1, NOW + notices.PAUSE)
    assert waiting.reason.startswith("The mail server: ")


def test_it_is_tried_until_it_is_told_and_told_once(settings: LazySettings, both: None) -> None:
    settings.ALERT_EMAIL_TO = []
    notices.make([("raised", an_alert())], NOW)
    with webhook((500, {}), (503, {"Retry-After": "600"}), (200, {})) as server:
        settings.ALERT_WEBHOOK_URL = server.url
        told = [tell(NOW + minute * MINUTE) for minute in range(60)]
        ids = {body["id"] for body in server.bodies}
    assert (sum(told), len(server.got), len(ids)) == (1, 3, 1)
    notice = Notice.objects.get()
    assert (notice.state, notice.tries, notice.reason) == (TOLD, 3, "")
    assert notice.ended_at == NOW + 11 * MINUTE


def test_older_notices_are_told_first_and_a_dead_server_is_asked_once(
    settings: LazySettings, both: None
) -> None:
    settings.ALERT_EMAIL_TO = []
    for number in range(5):
        notices.make([("raised", an_alert(f"D{number}"))], NOW + number * MINUTE)
    at = NOW + 10 * MINUTE
    with webhook((500, {})) as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert tell(at) == 0
        assert tell(at) == 0
        assert len(server.got) == 1
    with webhook() as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert tell(at + MINUTE) == 5
        assert [body["alerts"][0]["subject"] for body in server.bodies] == [f"D{n}" for n in range(5)]


def test_what_cannot_be_told_for_most_of_a_day_is_given_up_and_a_person_may_try_again(both: None) -> None:
    notices.make([("raised", an_alert())], NOW)
    now = NOW
    for _ in range(notices.MOST_TRIES):
        notice = notices.claim("mail", now)
        assert notice is not None
        notices.finish(notice, NotTold("The mail server: It does not answer in time."), now)
        now += notices.PAUSE_MAX
    row = Notice.objects.get(channel="mail")
    assert (row.state, row.reason) == (GIVEN_UP, "The mail server: It does not answer in time.")
    assert notices.claim("mail", now) is None
    assert notices.again(row, now)
    assert not notices.again(row, now)
    again = notices.claim("mail", now)
    assert again is not None and again.tries == 1


def test_pauses_grow_to_an_hour() -> None:
    said = [notices.pause(tries) for tries in (0, 1, 2, 3, 8, 10_000)]
    assert said == [
        notices.PAUSE,
        notices.PAUSE,
        2 * notices.PAUSE,
        4 * notices.PAUSE,
        *[notices.PAUSE_MAX] * 2,
    ]


def test_of_two_that_claim_one_wins_and_a_claim_that_was_lost_says_nothing(both: None) -> None:
    notices.make([("raised", an_alert())], NOW)
    first = notices.claim("mail", NOW)
    assert first is not None
    assert notices.claim("mail", NOW) is None
    late = NOW + notices.LEASE
    assert notices.rescue(late) == 1
    second = notices.claim("mail", late)
    assert second is not None and second.tries == 2
    notices.finish(first, None, late)
    assert Notice.objects.get(pk=first.pk).state == CLAIMED
    notices.finish(second, None, late)
    assert Notice.objects.get(pk=first.pk).state == TOLD


def test_what_a_library_says_stays_there(both: None) -> None:
    def broken(body: object) -> NotTold:
        raise ValueError("Exampleova^Adalberta")

    notices.make([("raised", an_alert())], NOW)
    notice = notices.claim("mail", NOW)
    assert notice is not None
    assert not notices._tell(Channel("mail", lambda: "somewhere", broken), notice, lambda: NOW)
    assert Notice.objects.get(channel="mail").reason == "It ended in ValueError."


def test_notices_of_a_channel_that_is_set_no_more_are_given_up(settings: LazySettings, both: None) -> None:
    notices.make([("raised", an_alert())], NOW)
    settings.ALERT_EMAIL_TO = []
    notices.rescue(NOW)
    assert dict(Notice.objects.values_list("channel", "state")) == {"mail": GIVEN_UP, "webhook": WAITING}


def test_an_alert_that_grew_worse_meanwhile_is_not_told_by_an_older_notice(both: None) -> None:
    row = an_alert()
    notices.make([("raised", row)], NOW)
    Alert.objects.filter(pk=row.pk).update(raised_at=NOW + MINUTE)
    notice = notices.claim("mail", NOW)
    assert notice is not None
    notices.finish(notice, None, NOW)
    assert Alert.objects.get().state == RAISED


def test_what_is_over_is_kept_for_a_season(both: None) -> None:
    old, open_one = an_alert("old"), an_alert("open")
    notices.make([("raised", old)], NOW)
    Alert.objects.filter(pk=old.pk).update(state=CLEARED, cleared_at=NOW)
    Notice.objects.filter(channel="mail").update(state=TOLD)
    assert notices.sweep(NOW + notices.KEPT_FOR) == 0
    assert notices.sweep(NOW + notices.KEPT_FOR + MINUTE) == 2
    assert [row.subject for row in Alert.objects.all()] == [open_one.subject]
    assert [row.channel for row in Notice.objects.all()] == ["webhook"]

"""`alerts` lists what is wrong and tries the channels; `doctor` says where alerts go."""

import json
from datetime import date, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.utils import timezone

from proxy.alerts.models import Alert, Look, Notice
from proxy.books.models import Day, DayLine
from proxy.management.doctor.alerts import examine_alerts
from proxy.management.doctor.books import examine_ledger
from proxy.management.doctor.findings import FAIL, OK, WARN
from proxy.routing.models import Destination
from proxy.vault import keyring
from proxy.vault.pseudonyms import forget_cache
from tests.alerts.post import mail_server, webhook
from tests.alerts.test_mail import use
from tests.scene import Scene, make_scene

pytestmark = pytest.mark.django_db

SECRET = "0123456789abcdef-secret"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.management.commands.alerts.prepare", lambda: None)


@pytest.fixture
def scene(tmp_path: Path, settings: LazySettings) -> Scene:
    settings.KEY_DIR = tmp_path / "keys"
    forget_cache()
    keyring.ensure_keys(settings.KEY_DIR)
    return make_scene()


def run(*words: str) -> tuple[str, int]:
    out = StringIO()
    try:
        call_command("alerts", *words, stdout=out, stderr=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def an_alert(subject: str = "ARCHIVE", state: str = "raised") -> Alert:
    now = timezone.now()
    return Alert.objects.create(
        rule="destination-resting",
        subject=subject,
        state=state,
        sentence="It has failed 3 times in a row.",
        found_at=now,
        seen_at=now,
        raised_at=now,
        cleared_at=now if state == "cleared" else None,
    )


def test_without_alerts_it_says_so_and_ends_with_0() -> None:
    an_alert("seen only", "seen")
    assert run() == ("No alert is open.\n", 0)


def test_open_ones_are_listed_with_what_to_do_and_end_with_1() -> None:
    an_alert()
    an_alert("OLD", "cleared")
    said, code = run()
    assert code == 1
    assert "ARCHIVE: the destination rests, since" in said and "See that it runs" in said
    assert "OLD" not in said
    assert "OLD" in run("--cleared")[0]
    [one] = json.loads(run("--json")[0])
    assert (one["rule"], one["subject"], one["cleared"]) == ("destination-resting", "ARCHIVE", None)


def test_an_alert_of_a_rule_that_is_no_more_is_listed_too() -> None:
    an_alert()
    Alert.objects.update(rule="of-an-older-version")
    assert "of-an-older-version" in run()[0]


def test_every_channel_is_tried_and_the_worst_decides(settings: LazySettings) -> None:
    settings.ALERT_WEBHOOK_SECRET = SECRET
    with mail_server() as mail, webhook((200, {}), (500, {})) as hook:
        use(settings, mail)
        settings.ALERT_WEBHOOK_URL = hook.url
        said, code = run("--test")
        assert code == 0
        assert said.count(": told") == 2
        assert mail.got[0]["Subject"] == "[Postern DICOMRCV] a test: a test: nothing is wrong"
        assert hook.bodies[0]["alerts"][0]["event"] == "test"
        said, code = run("--test")
        assert code == 1
        assert "NOT told: The webhook failed" in said
    assert SECRET not in said and "Zm9vYmFy" not in said


def test_without_a_channel_a_test_fails() -> None:
    said, code = run("--test")
    assert code == 1
    assert "No channel is set" in said


class TestTheDoctor:
    def levels(self) -> dict[str, str]:
        return {one.sentence: one.level for one in examine_alerts()}

    def test_says_that_nobody_is_told(self) -> None:
        assert self.levels()["nobody is told: set ALERT_EMAIL_TO or ALERT_WEBHOOK_URL."] == WARN

    def test_says_where_alerts_go(self, settings: LazySettings) -> None:
        settings.ALERT_EMAIL_TO, settings.EMAIL_HOST = ["pacs@example.org"], "mail.example.org"
        said = "they go by mail to pacs@example.org by mail.example.org:587; `alerts --test` tries it."
        assert self.levels()[said] == OK

    def test_says_what_went_wrong_there(self, settings: LazySettings) -> None:
        settings.ALERT_EMAIL_TO = ["pacs@example.org"]
        now = timezone.now()
        Notice.objects.create(
            channel="mail",
            body={},
            made_at=now,
            next_try_at=now,
            reason="The mail server: It does not answer.",
        )
        [said] = [one for one in self.levels() if "by mail" in one]
        assert "had to be tried again" in said and said.endswith("It does not answer.")

    @pytest.mark.parametrize(
        ("name", "value", "level", "expected"),
        [
            ("ALERT_RULES_OFF", ["quarantine"], None, "ALERT_RULES_OFF"),
            ("ALERT_RULES_OFF", ["quarantin"], FAIL, "names quarantin, and there is no such rule"),
            ("ALERT_WEBHOOK_URL", "http://hooks.example.org", WARN, "is no https"),
            ("ALERT_WEBHOOK_URL", "http://127.0.0.1:9", None, "is no https"),
            ("ALERT_WEBHOOK_URL", "https://hooks.example.org", None, "is no https"),
        ],
    )
    def test_knows_settings_that_are_loose(
        self, settings: LazySettings, name: str, value: object, level: str | None, expected: str
    ) -> None:
        setattr(settings, name, value)
        found = {one: level for one, level in self.levels().items() if expected in one}
        assert list(found.values()) == ([level] if level else [])

    def test_knows_whether_anybody_looks(self) -> None:
        assert any("no rule has ever looked" in one for one in self.levels())
        now = timezone.now()
        row = Look.objects.create(rule="disk", next_at=now, looked_at=now)
        assert not any("no rule" in one for one in self.levels())
        Look.objects.filter(pk=row.pk).update(looked_at=now - timedelta(minutes=11))
        assert FAIL in self.levels().values()

    def test_counts_what_is_open(self) -> None:
        an_alert()
        assert any(one.startswith("1 alert open") for one in self.levels())


def test_the_doctor_opens_closed_days_that_do_not_say_what_their_rows_say(scene: Scene) -> None:
    """What is written down of a day proves nothing: it was changed here by hand."""
    day = Day.objects.create(day=date(2020, 1, 1), closed_at=timezone.now())
    assert [one.level for one in examine_ledger()] == [OK]
    archive = Destination.objects.get(name="archive")
    DayLine.objects.create(day=day, destination=archive, received=5, delivered=5)
    [_, found] = examine_ledger()
    assert found.level == WARN and found.repair is not None
    assert found.repair() == "Opened 1 closed day; `work` counts and closes them again."
    assert [one.level for one in examine_ledger()] == [OK]

"""A certificate is about to end: `work` finds it, and tells by mail and webhook, once, however often it is killed."""

from pathlib import Path

import pytest

from tests.alerts.post import mail_server, webhook
from tests.house import House
from tests.journeys.help import wait_until
from tests.network.certificates import Authority

pytestmark = pytest.mark.journey

SECRET = "0123456789abcdef-of-a-journey"


def test_what_is_wrong_is_told_once_on_every_channel_over_a_kill(house: House, tmp_path: Path) -> None:
    certificate = Authority(tmp_path / "ca").issue("ours", days=9).certificate
    with mail_server() as mail, webhook((503, {}), (200, {})) as hook:
        house.env.update(
            DICOM_TLS_CERTIFICATE=str(certificate),
            ALERT_EMAIL_TO="pacs@example.org",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=str(mail.port),
            EMAIL_SECURITY="none",
            ALERT_WEBHOOK_URL=hook.url,
            ALERT_WEBHOOK_SECRET=SECRET,
            ALERT_RULES_OFF="disk",
        )
        worker = house.start("work")
        wait_until(lambda: bool(mail.got and hook.got), "mail and a first try of the webhook")
        worker.kill()
        worker.wait(100)
        house.start("work")
        wait_until(lambda: len(hook.got) >= 2, "the webhook's second try, after half a minute")
        said = house.command("alerts", "--json")
    assert said.returncode == 1
    assert '"rule": "certificate"' in said.stdout and '"state": "still"' in said.stdout
    [message] = mail.got
    assert "DICOM_TLS_CERTIFICATE: a certificate ends" in message["Subject"]
    assert len({body["id"] for body in hook.bodies}) == 1
    everything = said.stdout + message.as_string() + str(hook.got)
    assert SECRET not in everything and str(tmp_path) not in everything

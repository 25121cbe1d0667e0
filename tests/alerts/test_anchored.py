"""How far the audit reaches is written down, and told to the webhook until it has taken it."""

import json
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.alerts import anchored
from proxy.audit import anchors
from proxy.audit.record import record
from proxy.audit.verify import verify
from tests.alerts.post import webhook
from tests.scene import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def file(tmp_path: Path, settings: LazySettings, audit_keys: None) -> Path:
    settings.AUDIT_ANCHORS = tmp_path / "anchors"
    settings.AUDIT_ANCHORS_TO_WEBHOOK = True
    settings.ALERT_WEBHOOK_SECRET = "0123456789abcdef"
    anchored._untold.clear()
    return tmp_path / "anchors"


def test_what_is_new_is_written_and_told(file: Path, settings: LazySettings) -> None:
    record("identity.viewed", actor="ada")
    with webhook() as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert anchored.look(NOW) and not anchored.look(NOW)
    [body] = server.bodies
    last = anchors.last_anchor(file)
    assert last is not None and body["anchor"]["mac"] == last.mac and body["anchor"]["count"] == 1


def test_what_was_told_proves_the_chain_as_the_file_does(
    file: Path, settings: LazySettings, tmp_path: Path
) -> None:
    record("identity.viewed", actor="ada")
    with webhook() as server:
        settings.ALERT_WEBHOOK_URL = server.url
        anchored.look(NOW)
    (tmp_path / "elsewhere").write_text(json.dumps(server.bodies[0]["anchor"]) + "\n")
    assert verify(tmp_path / "elsewhere").ok


def test_what_the_webhook_did_not_take_is_told_again(file: Path, settings: LazySettings) -> None:
    record("identity.viewed", actor="ada")
    with webhook((503, {}), (200, {})) as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert anchored.look(NOW)
        assert not anchored.look(NOW)
        assert not anchored.look(NOW)
    assert len(server.bodies) == 2 and server.bodies[0]["anchor"] == server.bodies[1]["anchor"]


def test_unless_asked_nothing_is_told(file: Path, settings: LazySettings) -> None:
    settings.AUDIT_ANCHORS_TO_WEBHOOK = False
    record("identity.viewed", actor="ada")
    with webhook() as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert anchored.look(NOW)
    assert not server.bodies and file.exists()

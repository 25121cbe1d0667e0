"""A signed POST to a real web server, and everything that may go wrong."""

import hashlib
import hmac
import time
from datetime import timedelta

import pytest
from django.conf import LazySettings

from proxy.alerts.channels import webhook as channel
from tests.alerts.post import webhook
from tests.alerts.test_mail import BODY
from tests.cluster import free_port

SECRET = "0123456789abcdef-secret"


@pytest.fixture(autouse=True)
def secret(settings: LazySettings) -> None:
    settings.ALERT_WEBHOOK_SECRET = SECRET


def test_it_is_signed_with_its_time(settings: LazySettings) -> None:
    with webhook() as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert channel.tell(BODY) is None
        [(headers, body)] = server.got
    at = headers["Postern-Timestamp"]
    expected = hmac.new(SECRET.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["Postern-Signature"] == f"sha256={expected}"
    assert abs(int(at) - time.time()) < 60
    assert headers["Postern-Id"] == BODY["id"]
    assert headers["Content-Type"] == "application/json"
    assert server.bodies == [BODY]
    assert SECRET not in str(headers) + body.decode()


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_every_2xx_means_told(settings: LazySettings, status: int) -> None:
    with webhook((status, {})) as server:
        settings.ALERT_WEBHOOK_URL = server.url
        assert channel.tell(BODY) is None


@pytest.mark.parametrize(
    ("status", "headers", "expected", "after"),
    [
        (500, {}, "The webhook failed by a fault of its own", None),
        (503, {"Retry-After": "120"}, "not available", timedelta(minutes=2)),
        (503, {"Retry-After": "999999999999"}, "not available", timedelta(days=1)),
        (429, {"Retry-After": "soon"}, "slow down", None),
        (401, {}, "does not accept our credentials", None),
        (404, {}, "knows nothing at this address", None),
        (302, {"Location": "http://127.0.0.1:9/elsewhere"}, "redirects", None),
    ],
)
def test_any_other_answer_says_why(
    settings: LazySettings, status: int, headers: dict[str, str], expected: str, after: timedelta | None
) -> None:
    with webhook((status, headers)) as server:
        settings.ALERT_WEBHOOK_URL = server.url
        outcome = channel.tell(BODY)
        assert len(server.got) == 1
    assert outcome is not None
    assert expected in outcome.reason and "destination" not in outcome.reason
    assert outcome.after == after


def test_a_server_that_is_not_there(settings: LazySettings) -> None:
    settings.ALERT_WEBHOOK_URL = f"http://127.0.0.1:{free_port()}/x"
    outcome = channel.tell(BODY)
    assert outcome is not None and "webhook" in outcome.reason.lower()


def test_it_says_where_it_leads_and_keeps_what_may_be_secret(settings: LazySettings) -> None:
    settings.ALERT_WEBHOOK_URL = "https://user:pw@hooks.example.org:8443/services/T000/B000?token=x"
    assert channel.place() == "https://hooks.example.org:8443"
    settings.ALERT_WEBHOOK_URL = ""
    assert channel.place() == ""


def test_a_signature_can_be_computed_by_hand() -> None:
    """docs/alerts.md shows this one."""
    assert channel.signature(b'{"id":"1"}', "0123456789abcdef", 1700000000) == (
        hmac.new(b"0123456789abcdef", b'1700000000.{"id":"1"}', hashlib.sha256).hexdigest()
    )

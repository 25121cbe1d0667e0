"""The end of a job is told to the customer's webhook, signed, until it was heard; and to no host that nobody named."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.alerts.channels.outcomes import NotTold
from proxy.alerts.channels.webhook import signed
from proxy.audit.actions import CONFIGURATION_CHANGED
from proxy.audit.models import Entry
from proxy.service import hooks, jobs
from proxy.service.models import Hook, Job
from proxy.storage.keys import KeysMissing
from proxy.tiers.table import ENTERPRISE
from proxy.vault import rotate
from proxy.vault.keyring import ensure_keys
from tests import cast
from tests.api.conftest import data
from tests.api.test_doors import is_problem
from tests.api.v1.service import JOBS, Sender, a_sender

__all__ = ["data"]

URL = "https://hooks.example.org/jobs"
CT = cast.part10(cast.ct(size=8))


@pytest.fixture
def sender(db: None, settings: LazySettings) -> Sender:
    settings.SERVICE_WEBHOOK_HOSTS = ["hooks.example.org"]
    return a_sender(tier=ENTERPRISE)


class Server:
    """What was posted, and what it says to that."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.got: list[tuple[str, Mapping[str, Any], str]] = []
        self.says: NotTold | None = None
        monkeypatch.setattr(hooks, "post", self.post)

    def post(self, url: str, body: Mapping[str, Any], secret: str, trust: object) -> NotTold | None:
        self.got.append((url, body, secret))
        return self.says


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def put(sender: Sender, url: object) -> Any:
    from django.test import Client

    said = json.dumps({"url": url})
    return Client().put(
        f"{JOBS}/webhook", said, content_type="application/json", headers={"X-API-Key": sender.key}
    )


def test_where_it_leads_is_configuration_and_leaves_a_mark(sender: Sender) -> None:
    put(sender, URL + "?token=theirs")
    for _ in range(2):
        sender.delete(f"{JOBS}/webhook")
    marks = Entry.objects.filter(action=CONFIGURATION_CHANGED, detail__icontains="webhook").order_by(
        "sequence"
    )
    name = sender.customer.name
    assert [one.detail["changes"] for one in marks] == [
        [f"the webhook of customer {name} leads to hooks.example.org now"],
        [f"the webhook of customer {name} removed"],
    ]
    assert all(one.actor.startswith(f"customer {name} (key ") for one in marks)
    assert "theirs" not in repr(list(Entry.objects.values()))


def test_where_no_mark_can_be_left_it_leads_nowhere(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "tell", Mock(side_effect=KeysMissing("gone")))
    with pytest.raises(KeysMissing):
        hooks.lead_to(sender.customer, URL, timezone.now(), "ada")
    assert not Hook.objects.exists()


def tell(later: timedelta = timedelta(0)) -> int:
    return hooks.tell_due(lambda: timezone.now() + later, lambda: True)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/jobs", "https://127.0.0.1/", "https://hooks.example.org:8443/", "https://[::1]/",
        "https://user:pw@hooks.example.org/", "https://hooks.example.org@evil.example/", "file:///etc/passwd", "",
        "https://hooks.example.org.evil.example/", "https://hooks.example.org/" + "x" * 500, 17, None,
        "https://[", "https://[::1", "https://hooks.example.org\\@evil.example/", "https://evil.example\\@hooks.example.org/",
        "https://hooks.example.org/\r\nHost: evil.example", "https://hooks.example.org/\tx", "\0https://hooks.example.org/",
        "https://hooks.example.org/?x=\x7f", "https://hooks.example.org/ä",
    ],
)  # fmt: skip
def test_an_address_that_nobody_named_is_not_taken(sender: Sender, url: object) -> None:
    assert is_problem(put(sender, url), 400, "invalid")
    assert not Hook.objects.exists()


def test_the_secret_is_shown_once_and_wrapped_at_rest(sender: Sender) -> None:
    secret = put(sender, URL).json()["secret"]
    assert secret.encode() not in bytes(Hook.objects.get().secret)
    assert put(sender, URL).json()["secret"] != secret
    assert Hook.objects.count() == 1


def test_a_job_that_ended_is_told_once_and_signed(sender: Sender, server: Server) -> None:
    secret = put(sender, URL).json()["secret"]
    job = sender.send([CT], JOBS).json()
    assert tell() == 1 and tell() == 0
    [(url, body, used)] = server.got
    assert (url, used, body["id"], body["state"]) == (URL, secret, job["id"], "done")
    headers = signed(b"{}", job["id"], secret, 17)
    expected = hmac.new(secret.encode(), b"17.{}", hashlib.sha256).hexdigest()
    assert headers["Postern-Signature"] == f"sha256={expected}"


def test_one_that_failed_is_told_too(sender: Sender, server: Server) -> None:
    put(sender, URL)
    sender.send([b"x"], JOBS)
    assert tell() == 1 and server.got[0][1]["state"] == "failed"


def test_one_whose_process_was_killed_is_told_when_that_is_noticed(sender: Sender, server: Server) -> None:
    put(sender, URL)
    for kind in (Job.JOB, Job.ANSWER):
        assert isinstance(jobs.begin(sender.customer, kind, "", timezone.now()), Job)
    assert jobs.rescue(timezone.now() + jobs.LEASE * 2) == 2
    assert tell(jobs.LEASE * 2) == 1
    [(_, body, _)] = server.got
    assert (body["id"], body["state"]) == (Job.objects.get(kind=Job.JOB).name, "failed")


def test_it_is_tried_again_later_and_given_up_in_the_end(sender: Sender, server: Server) -> None:
    put(sender, URL)
    sender.send([CT], JOBS)
    server.says = NotTold("It is down.", timedelta(minutes=2))
    assert tell() == 0 and tell(timedelta(minutes=1)) == 0 and len(server.got) == 1
    assert tell(timedelta(minutes=3)) == 0 and len(server.got) == 2
    Job.objects.update(tell_tries=hooks.MOST_TRIES - 1, tell_at=timezone.now())
    tell()
    assert Job.objects.get().tell_at is None


def test_who_has_no_webhook_or_wants_none_any_more_is_told_nothing(
    sender: Sender, server: Server, data: Path
) -> None:
    sender.send([CT], JOBS)
    put(sender, URL)
    sender.send([CT])
    sender.send([CT], JOBS)
    assert sender.delete(f"{JOBS}/webhook").status_code == 204
    tell()
    assert server.got == []


def test_a_host_that_was_taken_off_the_list_is_told_nothing(
    sender: Sender, server: Server, settings: LazySettings
) -> None:
    put(sender, URL)
    sender.send([CT], JOBS)
    settings.SERVICE_WEBHOOK_HOSTS = []
    assert tell() == 0 and server.got == []


@pytest.fixture
def keys(tmp_path: Path, settings: LazySettings) -> Path:
    """Of the test's own: some of them go."""
    settings.KEY_DIR = tmp_path / "own"
    ensure_keys(settings.KEY_DIR)
    return Path(settings.KEY_DIR)


def test_a_webhook_signs_as_before_when_master_keys_were_rotated_and_dropped(
    keys: Path, sender: Sender, server: Server
) -> None:
    secret = put(sender, URL).json()["secret"]
    rotate.rotate_master_keys("officer")
    assert rotate.drop_old_master_keys("officer") == 1
    sender.send([CT], JOBS)
    assert tell() == 1 and server.got[0][2] == secret


def test_a_secret_that_does_not_open_keeps_no_other_customer_waiting(
    keys: Path, sender: Sender, server: Server, settings: LazySettings
) -> None:
    other = a_sender("other", tier=ENTERPRISE)
    for one in (sender, other):
        put(one, URL)
        one.send([CT], JOBS)
    Hook.objects.filter(customer=sender.customer).update(secret=b"of another key")
    assert tell() == 1 and len(server.got) == 1
    assert Job.objects.get(customer=sender.customer).tell_at is not None

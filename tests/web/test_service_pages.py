"""Jobs and webhooks of the service: looked at, never written, without what was sent and what is secret."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from proxy.service.models import Hook, Job
from proxy.tiers import customers
from proxy.tiers.models import Customer
from tests.web.conftest import colleague

WITHIN = {"key_mac": "k" * 64, "body_mac": "b" * 64, "token": "t" * 32, "file": "f" * 32 + ".zip"}
WHERE = "https://hooks.example:8443/into/a-secret-path?token=another-secret"


@pytest.fixture
def customer(db: None, keys: Path) -> Customer:
    now = timezone.now()
    one = customers.add("acme", "test", now)
    Job.objects.create(name="0" * 32, customer=one, kind="job", begun_at=now, seen_at=now, **WITHIN)
    Hook.objects.create(customer=one, url=WHERE, secret=b"wrapped-secret", made_at=now)
    return one


def pages(client: Client, model: type[Job] | type[Hook]) -> list[str]:
    name = f"admin:service_{model._meta.model_name}"
    row = model._default_manager.get()
    answers = [
        client.get(reverse(f"{name}_changelist")),
        client.get(reverse(f"{name}_change", args=[row.pk])),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    return [answer.content.decode() for answer in answers]


def test_a_job_is_found_by_its_id_and_shows_counts(chief: Client, customer: Customer) -> None:
    for text in pages(chief, Job):
        assert "acme" in text and "running" in text
        assert not [one for one in WITHIN.values() if one in text]
    found = chief.get(reverse("admin:service_job_changelist"), {"q": "0" * 32})
    assert "1 job" in found.content.decode()


def test_a_webhook_shows_its_host_alone(chief: Client, customer: Customer) -> None:
    for text in pages(chief, Hook):
        assert "hooks.example:8443" in text
        assert "secret-path" not in text and "another-secret" not in text and "wrapped" not in text


@pytest.mark.parametrize("model", [Job, Hook])
def test_nobody_writes_them(chief: Client, customer: Customer, model: type[Job] | type[Hook]) -> None:
    name, row = f"admin:service_{model._meta.model_name}", model._default_manager.get()
    assert chief.get(reverse(f"{name}_add")).status_code == 403
    assert chief.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
    assert chief.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_who_may_not_look_does_not(db: None, customer: Customer) -> None:
    other = colleague("tiers.view_customer")
    assert other.get(reverse("admin:service_job_changelist")).status_code == 403
    assert other.get(reverse("admin:service_hook_changelist")).status_code == 403

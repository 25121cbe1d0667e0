"""`customer` says what it did, shows a key once, and leaves marks."""

import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from proxy.audit.models import Entry
from proxy.management import start
from proxy.tiers import keys, quota
from proxy.tiers.models import ApiKey, Customer
from tests.reception.conftest import data

__all__ = ["data"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]


@pytest.fixture(autouse=True)
def prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.management.commands.customer.prepare", lambda: None)


def customer(*words: str) -> str:
    out = StringIO()
    call_command("customer", *words, stdout=out)
    return out.getvalue()


def key_in(said: str) -> str:
    found = re.search(r"shown once: (\S+)", said)
    assert found
    return found[1]


def test_a_customer_from_the_first_key_to_the_last() -> None:
    first = key_in(customer("add", "acme", "--tier", "pro", "--label", "desk"))
    assert keys.customer_of(first) == Customer.objects.get(name="acme", tier="pro")
    prefix = ApiKey.objects.get().prefix
    second = key_in(customer("rotate", "acme", prefix, "--grace-hours", "0"))
    assert keys.customer_of(first) is None and keys.customer_of(second) is not None
    third = key_in(customer("key", "acme"))
    customer("revoke", "acme", keys.prefix_of(third))
    assert keys.customer_of(third) is None
    assert "refused" in customer("retire", "acme")
    assert keys.customer_of(second) is None
    customer("reinstate", "acme")
    assert keys.customer_of(second) is not None
    assert Entry.objects.filter(actor__contains="(console)", action__startswith="api-key").count() == 5


def test_the_list_says_what_was_used_and_no_key() -> None:
    assert customer("list") == "There is no customer.\n"
    secret = key_in(customer("add", "acme", "--label", "desk"))
    quota.take(Customer.objects.get(), 7, 1, timezone.now())
    said = customer("list")
    assert "acme (free): 7 of 50 files" in said and "desk: never used" in said
    assert keys.prefix_of(secret) in said and secret not in said


def test_a_tier_is_given() -> None:
    customer("add", "acme")
    assert "enterprise now" in customer("tier", "acme", "enterprise")
    assert "so already" in customer("tier", "acme", "enterprise")
    row = Customer.objects.get()
    row.subscriptions.create(stripe_id="sub_1", tier="pro", state="active", said_at=timezone.now())
    assert "pay for" in customer("tier", "acme", "free")


@pytest.mark.parametrize(
    "words",
    [
        ("add", "ac me"),
        ("add", "acme"),
        ("add", "other", "--tier", "gold"),
        ("key", "nobody"),
        ("rotate", "acme", "postern-00000000"),
        ("revoke", "acme", ""),
        ("tier", "acme", "gold"),
        ("reinstate", "acme"),
        (),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(words: tuple[str, ...]) -> None:
    customer("add", "acme")
    marks = Entry.objects.count()
    with pytest.raises(CommandError):
        customer(*words)
    assert Entry.objects.count() == marks


def test_a_time_of_grace_that_is_too_long() -> None:
    customer("add", "acme")
    with pytest.raises(CommandError, match="720"):
        customer("rotate", "acme", ApiKey.objects.get().prefix, "--grace-hours", "721")


def test_every_start_makes_the_settings_true(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "waits_for_migration", lambda: False)
    key: Any = "0123456789abcdef" * 2
    settings.DCM_API_KEYS = [("customer1", key)]
    for _ in range(2):
        start.prepare()
    found = keys.customer_of(key)
    assert found is not None and (found.name, found.tier) == ("customer1", "free")
    settings.DCM_API_KEYS = []
    start.prepare()
    assert keys.customer_of(key) is None

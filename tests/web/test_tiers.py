"""Customers in the admin: made, given a tier and a key, and no key is ever shown again."""

import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.tiers import customers, quota
from proxy.tiers import keys as api_keys
from proxy.tiers.models import ApiKey, Customer, StripeEvent, Subscription
from tests.web.conftest import colleague
from tests.web.test_admin import act

MODELS = list(apps.get_app_config("tiers").get_models())


@pytest.fixture
def customer(db: None, keys: Path) -> Customer:
    now = timezone.now()
    one = customers.add("acme", "test", now)
    quota.take(one, 7, 1, now)
    Subscription.objects.create(customer=one, stripe_id="sub_1", tier="pro", state="active", said_at=now)
    StripeEvent.objects.create(stripe_id="evt_1", kind="x", said_at=now, heard_at=now, outcome="done")
    return one


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_row_can_be_looked_at_and_no_digest_shows(
    chief: Client, customer: Customer, model: type
) -> None:
    api_keys.make(customer, "test", timezone.now())
    name = f"admin:tiers_{model._meta.model_name}"  # type: ignore[attr-defined]
    row = model._default_manager.get()  # type: ignore[attr-defined]
    pages = [chief.get(reverse(f"{name}_changelist")), chief.get(reverse(f"{name}_change", args=[row.pk]))]
    assert [page.status_code for page in pages] == [200, 200]
    assert ApiKey.objects.get().digest not in "".join(page.content.decode() for page in pages)


@pytest.mark.parametrize(
    "model", [one for one in MODELS if one is not Customer], ids=lambda model: model.__name__
)
def test_only_customers_are_written(chief: Client, customer: Customer, model: type) -> None:
    assert chief.get(reverse(f"admin:tiers_{model._meta.model_name}_add")).status_code == 403  # type: ignore[attr-defined]


def test_a_customer_is_added_with_a_project_and_a_mark(chief: Client, customer: Customer) -> None:
    answer = chief.post(reverse("admin:tiers_customer_add"), {"name": "other", "given_tier": "enterprise"})
    assert answer.status_code == 302
    row = Customer.objects.get(name="other")
    assert (row.tier, row.project.name) == ("enterprise", "customer-other")
    assert Entry.objects.filter(actor="chief", subject="customer other").count() == 1


def test_the_list_says_what_each_has_used_and_many_cost_no_more_questions(
    chief: Client, customer: Customer, django_assert_num_queries: Any
) -> None:
    page = reverse("admin:tiers_customer_changelist")
    with CaptureQueriesContext(connection) as one:
        assert "7 of 50" in chief.get(page).content.decode()
    for number in range(5):
        customers.add(f"more-{number}", "test", timezone.now(), tier="enterprise")
    with django_assert_num_queries(len(one)):
        text = chief.get(page).content.decode()
    assert "7 of 50" in text and '<td class="field-files">0</td>' in text


@pytest.mark.parametrize("name", ["", "acme", "a b", "-a", "a" * 49])
def test_a_name_that_cannot_be_one_is_said_in_the_form(chief: Client, customer: Customer, name: str) -> None:
    answer = chief.post(reverse("admin:tiers_customer_add"), {"name": name, "given_tier": "free"})
    assert answer.status_code == 200
    assert Customer.objects.count() == 1


def test_a_tier_is_given_and_the_name_stays(chief: Client, customer: Customer) -> None:
    address = reverse("admin:tiers_customer_change", args=[customer.pk])
    chief.post(address, {"name": "renamed", "given_tier": "enterprise"})
    customer.refresh_from_db()
    assert (customer.name, customer.tier) == ("acme", "enterprise")
    assert Entry.objects.filter(actor="chief", subject="customer acme").count() == 2


def test_a_new_key_is_shown_once(chief: Client, customer: Customer) -> None:
    found = re.search(r"shown once: (postern-[\w-]+)", act(chief, Customer, "new_key", customer))
    assert found
    assert api_keys.customer_of(found[1]) == customer
    assert found[1] not in chief.get(reverse("admin:tiers_customer_changelist")).content.decode()


def test_keys_are_revoked_and_customers_put_out_of_force(chief: Client, customer: Customer) -> None:
    one, two = (api_keys.make(customer, "test", timezone.now()) for _ in range(2))
    act(chief, ApiKey, "revoke", one.key)
    assert api_keys.customer_of(one.secret) is None
    act(chief, Customer, "retire", customer)
    assert api_keys.customer_of(two.secret) is None
    act(chief, Customer, "reinstate", customer)
    assert api_keys.customer_of(two.secret) == customer


def test_who_may_only_look_makes_no_key(customer: Customer) -> None:
    act(colleague("tiers.view_customer"), Customer, "new_key", customer)
    assert not ApiKey.objects.exists()

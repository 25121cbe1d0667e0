"""A customer has a project of its own, and what DCM_API_KEYS says is made true at every start."""

import subprocess
import sys
from datetime import timedelta

import pytest

from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.routing.models import Project
from proxy.routing.site import apply, read
from proxy.tiers import customers, keys, owners
from proxy.tiers.models import ApiKey, Customer
from proxy.tiers.table import ENTERPRISE, FREE, PRO
from tests.tiers.conftest import NOON, made

ONE, TWO = "0123456789abcdef" * 2, "fedcba9876543210" * 2
SITE = """
projects: [{name: default, recipe: basic}]
routes: [{called_ae: DICOMRCV, project: default}]
"""


@pytest.mark.parametrize("name", ["", "-acme", "ac me", "acmé", "a" * 49, "acme\n", "a/b"])
def test_a_name_that_cannot_be_one(db: None, name: str) -> None:
    with pytest.raises(customers.CannotAdd, match="letters"):
        made(name)
    assert not Project.objects.exists()


def test_a_name_stands_for_one_customer(customer: Customer) -> None:
    with pytest.raises(customers.CannotAdd, match="of this name"):
        made()
    assert Customer.objects.count() == Project.objects.count() == 1


def test_the_site_file_retires_no_project_of_a_customer(customer: Customer) -> None:
    apply(read(SITE), "test")
    customer.project.refresh_from_db()
    assert not customer.project.is_retired


def test_the_site_file_may_lead_a_route_into_it(customer: Customer) -> None:
    text = """
projects: [{name: customer-acme, recipe: basic}]
routes: [{called_ae: ACME, project: customer-acme}]
"""
    apply(read(text), "test")
    assert Project.objects.get().route_set.get().called_ae == "ACME"


def test_a_project_that_the_site_file_named_first_becomes_its_customers(db: None) -> None:
    Project.objects.create(name="customer-acme", recipe="research")
    assert made().project.recipe == "research"


def test_customers_of_the_settings_start_as_free(db: None) -> None:
    customers.keep([("acme", ONE), ("other", TWO)], NOON)
    assert set(Customer.objects.values_list("name", "tier")) == {("acme", FREE), ("other", FREE)}
    found = keys.customer_of(ONE, NOON)
    assert found is not None and found.name == "acme"
    assert verify().ok


def test_what_the_settings_say_again_changes_nothing(db: None) -> None:
    customers.keep([("acme", ONE)], NOON)
    customers.give(Customer.objects.get(), PRO, "ada", NOON)
    marks = Entry.objects.count()
    customers.keep([("acme", ONE)], NOON + timedelta(days=1))
    assert Entry.objects.count() == marks
    assert Customer.objects.get().tier == PRO


def test_a_key_that_the_settings_no_longer_name_ends_and_others_stay(db: None) -> None:
    customers.keep([("acme", ONE), ("acme", TWO)], NOON)
    by_hand = keys.make(Customer.objects.get(), "ada", NOON)
    customers.keep([("acme", TWO)], NOON)
    assert keys.customer_of(ONE, NOON) is None
    assert keys.customer_of(TWO, NOON) is not None
    assert keys.customer_of(by_hand.secret, NOON) is not None


def test_a_key_that_a_person_has_revoked_stays_so(db: None) -> None:
    customers.keep([("acme", ONE)], NOON)
    keys.revoke(ApiKey.objects.get(), "ada", NOON)
    customers.keep([("acme", ONE)], NOON)
    assert keys.customer_of(ONE, NOON) is None


def test_a_key_that_the_settings_left_out_once_is_accepted_when_it_is_back(db: None) -> None:
    """One start without the variable ended all keys of it for good."""
    customers.keep([("acme", ONE)], NOON)
    customers.keep([], NOON + timedelta(hours=1))
    assert keys.customer_of(ONE, NOON) is None
    customers.keep([("acme", ONE)], NOON + timedelta(hours=2))
    assert keys.customer_of(ONE, NOON) is not None
    made = Entry.objects.filter(action="api-key.made", actor=customers.SETTINGS)
    assert made.count() == 2 and verify().ok


def test_a_key_that_somebody_called_settings_has_revoked_stays_so(db: None) -> None:
    customers.keep([("acme", ONE)], NOON)
    keys.revoke(ApiKey.objects.get(), customers.SETTINGS, NOON)
    customers.keep([], NOON + timedelta(hours=1))
    customers.keep([("acme", ONE)], NOON + timedelta(hours=2))
    assert keys.customer_of(ONE, NOON) is None


def test_a_key_of_one_customer_is_never_anothers(db: None) -> None:
    """Whoever held it as the other's was let into the first one's project, without a word."""
    customers.keep([("acme", ONE)], NOON)
    with pytest.raises(customers.AnothersKey, match=r"other.*acme") as told:
        customers.keep([("other", ONE)], NOON)
    assert ONE not in str(told.value) and ONE[:8] not in str(told.value)
    assert not Customer.objects.filter(name="other").exists()


def test_a_tier_that_a_person_gives_is_in_force_at_once_and_marked(customer: Customer) -> None:
    assert owners.of_project(customer.project_id) == customer
    assert customers.give(customer, ENTERPRISE, "ada", NOON)
    assert not customers.give(customer, ENTERPRISE, "ada", NOON)
    found = owners.of_project(customer.project_id)
    assert found is not None and found.allows.jobs
    assert Entry.objects.filter(actor="ada", subject="customer acme").count() == 2
    with pytest.raises(ValueError, match="no such tier"):
        customers.give(customer, "platinum", "ada", NOON)


def test_whoever_receives_images_loads_nothing_of_stripe() -> None:
    code = "import django; django.setup(); import proxy.pipeline, sys; print('stripe' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_project_of_the_site_is_nobodys(db: None) -> None:
    project = Project.objects.create(name="default")
    assert owners.of_project(project.pk) is None

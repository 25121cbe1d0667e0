"""What the doctor says of customers: nothing where there are none."""

import pytest
from django.utils import timezone
from pytest_django import Settings

from config import reading
from proxy.management.doctor import service
from proxy.service.models import Hook, Job
from proxy.tiers import customers, keys
from proxy.tiers.models import ApiKey, Customer
from tests.reception.conftest import data

__all__ = ["data"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]
HEX = "0123456789abcdef" * 2


def said() -> list[str]:
    return [str(one) for one in service.examine_service()]


@pytest.fixture
def customer() -> Customer:
    customers.keep([("acme", HEX)], timezone.now())
    return Customer.objects.get()


def test_a_site_without_customers_hears_nothing() -> None:
    assert said() == []


@pytest.fixture(autouse=True)
def only_here(settings: Settings) -> None:
    """What is set for strangers is a chapter of its own."""
    settings.API_BIND_ADDRESS, settings.ALLOWED_HOSTS = "127.0.0.1", ["postern.example.org"]


def test_a_customer_with_a_key_is_well(customer: Customer) -> None:
    assert said() == ["ok    service: customers: 1; each has a key, and nobody owes anything."]


class TestWhatIsSetForThem:
    @pytest.fixture(autouse=True)
    def well_set(self, customer: Customer, settings: Settings) -> None:
        settings.API_BIND_ADDRESS = "0.0.0.0"
        settings.ALLOWED_HOSTS = ["postern.example.org", "localhost"]
        settings.API_TRUSTED_PROXIES = reading.networks("NO_SUCH_SETTING", ["10.0.0.1"])
        settings.DISK_WATERMARK = settings.SERVICE_KEPT_LIMIT = 1

    def test_what_is_well_set_needs_no_word(self) -> None:
        assert said() == ["ok    service: customers: 1; each has a key, and nobody owes anything."]

    def test_a_name_that_nobody_elsewhere_could_use(self, settings: Settings) -> None:
        settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
        assert len(said()) == 1 and said()[0].startswith("warn  service: ALLOWED_HOSTS names this machine")

    def test_keys_that_come_in_clear(self, settings: Settings) -> None:
        settings.API_TRUSTED_PROXIES = []
        assert len(said()) == 1 and said()[0].startswith("warn  service: keys and images come in clear")
        settings.API_BIND_ADDRESS = "127.0.0.1"
        assert said()[0].startswith("ok ")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("STRIPE_API_KEY", "pk_live_1"),
            ("STRIPE_PRICE_ID", "prod_1"),
            ("STRIPE_PRICE_ID_ANNUAL", "prod_2"),
            ("STRIPE_WEBHOOK_SECRET", "we_1"),
        ],
    )
    def test_what_was_mixed_up_at_stripe(self, settings: Settings, name: str, value: str) -> None:
        settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_live_1", "whsec_1"
        settings.STRIPE_PRICE_ID, settings.STRIPE_PRICE_ID_ANNUAL = "price_1", "price_2"
        assert said()[0].startswith("ok ")
        setattr(settings, name, value)
        assert len(said()) == 1 and said()[0].startswith(f"FAIL  service: {name} does not begin with")
        assert value not in said()[0]

    def test_a_webhook_whose_host_is_named_no_more(self, customer: Customer, settings: Settings) -> None:
        settings.SERVICE_WEBHOOK_HOSTS = ["hooks.example"]
        Hook.objects.create(
            customer=customer, url="https://hooks.example/secret", secret=b"x", made_at=timezone.now()
        )
        assert said()[0].startswith("ok ")
        settings.SERVICE_WEBHOOK_HOSTS = []
        assert len(said()) == 1 and "the webhook of customer acme is told nothing" in said()[0]
        assert "secret" not in said()[0]

    def test_results_that_would_fill_the_disk(self, customer: Customer, settings: Settings) -> None:
        settings.SERVICE_KEPT_LIMIT = 10_000_000
        assert said()[0].startswith("ok ")  # nothing was ever kept
        now = timezone.now()
        Job.objects.create(name="0" * 32, customer=customer, kind="job", begun_at=now, seen_at=now)
        assert len(said()) == 1 and said()[0].startswith("warn  service: results may take 10000000 MB more")


def test_who_cannot_come_in_is_named(customer: Customer) -> None:
    keys.revoke(ApiKey.objects.get(), "test", timezone.now())
    assert said() == ["warn  service: customer acme has no key that is accepted: `customer key acme`."]
    customer.project.retired_at = timezone.now()
    customer.project.save()
    assert said() == ["FAIL  service: customer acme is refused: their project customer-acme is retired."]
    customers.retire(customer, "test", timezone.now())
    assert said() == []


def test_a_revoked_key_that_still_stands_in_the_settings(customer: Customer, settings: Settings) -> None:
    settings.DCM_API_KEYS = [("acme", HEX)]
    old = ApiKey.objects.get()
    keys.make(customer, "test", timezone.now())
    keys.revoke(old, "test", timezone.now())
    assert len(said()) == 1 and "take it out" in said()[0] and HEX not in said()[0]


def test_who_owes_something(customer: Customer) -> None:
    now = timezone.now()
    row = customer.subscriptions.create(
        stripe_id="sub_1", tier="pro", state="past_due", said_at=now, failed_at=now
    )
    assert said()[0].startswith(
        f"warn  service: payments of customer acme fail since {now:%Y-%m-%d}; pro ends"
    )
    row.state = "lapsed"
    row.save()
    assert "has lost pro" in said()[0]


def test_who_pays_twice(customer: Customer) -> None:
    for name, state in (("sub_1", "active"), ("sub_2", "trialing"), ("sub_3", "canceled")):
        customer.subscriptions.create(stripe_id=name, tier="pro", state=state, said_at=timezone.now())
    assert said() == ["warn  service: customer acme pays for 2 subscriptions: end all but one at Stripe."]


def test_a_key_of_stripe_for_tests(customer: Customer, settings: Settings) -> None:
    settings.STRIPE_API_KEY = "sk_test_1"
    assert "for tests" in said()[0]
    settings.STRIPE_API_KEY = "sk_live_1"
    assert said()[0].startswith("ok")

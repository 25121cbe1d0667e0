"""What Stripe says counts once, signed, in whatever order it comes; a tier follows what is paid for."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from proxy.audit.models import Entry
from proxy.audit.verify import verify
from proxy.tiers import billing, customers, signed, subscriptions
from proxy.tiers.models import Customer, StripeEvent, Subscription
from proxy.tiers.signed import NotBelieved, Said
from proxy.tiers.table import ANNUAL, ENTERPRISE, FREE, PRO
from tests.tiers.conftest import NOON, made
from tests.tiers.stripes import ANNUAL_PRICE, PRO_PRICE, WEBHOOK_SECRET
from tests.tiers.stripes import signed as sign

START = int(NOON.timestamp())
SUB = "sub_1"


@pytest.fixture(autouse=True)
def prices(settings: Settings) -> None:
    settings.STRIPE_PRICE_ID, settings.STRIPE_PRICE_ID_ANNUAL = PRO_PRICE, ANNUAL_PRICE
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET


def said(kind: str, about: dict[str, Any], second: int = 0, id: str = "") -> Said:
    name = id or f"evt_{kind}_{second}"[:64]
    return Said(name, kind, datetime.fromtimestamp(START + second, UTC), about)


def completed(second: int = 10, tier: str = PRO, **more: Any) -> Said:
    about = {
        "client_reference_id": "acme",
        "mode": "subscription",
        "payment_status": "paid",
        "customer": "cus_1",
        "subscription": SUB,
        "metadata": {"customer": "acme", "tier": tier},
    }
    return said("checkout.session.completed", about | more, second)


def subscription(what: str, second: int, status: str = "active", price: str = PRO_PRICE, **more: Any) -> Said:
    about = {
        "id": SUB,
        "customer": "cus_1",
        "status": status,
        "metadata": {"customer": "acme", "tier": PRO},
        "items": {"data": [{"price": {"id": price}}]},
    }
    return said(f"customer.subscription.{what}", about | more, second)


def invoice(what: str, second: int, *, new: bool = False) -> Said:
    where = {"parent": {"subscription_details": {"subscription": SUB}}} if new else {"subscription": SUB}
    return said(f"invoice.{what}", {"customer": "cus_1", **where}, second)


def hear(*events: Said) -> str:
    """The tier in force after these."""
    for one in events:
        billing.hear(one, NOON)
    return Customer.objects.get(name="acme").tier


# --- signatures -----------------------------------------------------------------------------------

EVENT = {
    "id": "evt_1",
    "type": "checkout.session.completed",
    "created": START,
    "data": {"object": {"mode": "x"}},
}


def test_what_stripe_has_signed_is_read() -> None:
    body, signature = sign(EVENT)
    found = signed.read(body, signature, WEBHOOK_SECRET)
    assert found == Said(
        "evt_1", "checkout.session.completed", datetime.fromtimestamp(START, UTC), {"mode": "x"}
    )


def test_promise_1_what_is_not_signed_for_us_and_now_is_not_believed() -> None:
    body, signature = sign(EVENT)
    _, of_another = sign(EVENT, "whsec_another")
    _, old = sign(EVENT, at=int(datetime.now(UTC).timestamp()) - 301)
    wrong = [
        "",
        "t=1",
        "v1=00",
        f"{signature[:-1]}x",
        of_another,
        old,
        "t=x,v1=y",
        "é",
        signature.replace("v1", "v0"),
    ]
    assert all(isinstance(signed.read(body, one, WEBHOOK_SECRET), NotBelieved) for one in wrong)
    assert isinstance(signed.read(body + b" ", signature, WEBHOOK_SECRET), NotBelieved)
    assert isinstance(signed.read(b"\xff" + body, signature, WEBHOOK_SECRET), NotBelieved)
    assert isinstance(signed.read(body, signature, ""), NotBelieved), "no secret is no open door"


@pytest.mark.parametrize(
    "event",
    [
        [],
        {},
        "evt_1",
        EVENT | {"data": {}},
        EVENT | {"data": {"object": []}},
        EVENT | {"created": "soon"},
        EVENT | {"created": 10**30},
        EVENT | {"id": ""},
        EVENT | {"id": "x" * 65},
        EVENT | {"type": "a\0b"},
    ],
)
def test_signed_but_no_event(event: Any) -> None:
    body, signature = sign(event)
    assert isinstance(signed.read(body, signature, WEBHOOK_SECRET), NotBelieved)


# --- tiers ----------------------------------------------------------------------------------------


def test_a_checkout_that_is_paid_flips_the_tier_and_leaves_a_mark(customer: Customer) -> None:
    assert hear(completed()) == PRO
    customer.refresh_from_db()
    assert customer.stripe_id == "cus_1" and customer.tried_at is not None
    assert Entry.objects.filter(actor="stripe", subject="customer acme").count() == 1
    assert verify().ok


def test_a_trial_counts_and_what_is_not_paid_yet_does_not(customer: Customer) -> None:
    assert hear(completed(1, payment_status="unpaid")) == FREE
    assert hear(completed(2, payment_status="no_payment_required")) == PRO


def test_a_payment_that_takes_days_counts_once_it_is_there(customer: Customer) -> None:
    hear(completed(1, payment_status="unpaid"))
    late = completed(2)
    assert hear(Said("evt_late", "checkout.session.async_payment_succeeded", late.at, late.about)) == PRO


@pytest.mark.parametrize(
    "about",
    [
        {"client_reference_id": "nobody"},
        {"client_reference_id": "", "metadata": {}},
        {"client_reference_id": ["acme"], "metadata": None},
        {"subscription": None},
        {"mode": "payment"},
        {"metadata": {"tier": ENTERPRISE}},
        {"payment_status": None},
    ],
)
def test_a_checkout_that_concerns_nobody_or_nothing_changes_nothing(
    customer: Customer, about: dict[str, Any]
) -> None:
    assert hear(completed(1, **about)) == FREE


def test_the_same_event_counts_once(customer: Customer) -> None:
    one = completed()
    assert billing.hear(one, NOON).is_new
    assert not billing.hear(one, NOON).is_new
    assert StripeEvent.objects.count() == Entry.objects.filter(actor="stripe").count() == 1


def test_a_replay_after_the_end_brings_nothing_back(customer: Customer) -> None:
    first = completed()
    assert hear(first, subscription("deleted", 50), first) == FREE
    assert hear(Said("evt_other", first.kind, first.at, first.about)) == FREE


@pytest.mark.parametrize("second", [50, 60])
def test_nothing_follows_an_end_not_even_what_is_said_later(customer: Customer, second: int) -> None:
    assert hear(completed(), subscription("deleted", 50), subscription("updated", second)) == FREE


def test_what_is_said_in_the_same_second_counts(customer: Customer) -> None:
    assert hear(completed(10), subscription("updated", 10, price=ANNUAL_PRICE)) == ANNUAL


def test_nothing_becomes_incomplete_again(customer: Customer) -> None:
    assert hear(completed(10), subscription("created", 10, status="incomplete")) == PRO


def test_another_price_is_another_tier(customer: Customer) -> None:
    assert hear(completed(), subscription("updated", 20, price=ANNUAL_PRICE)) == ANNUAL
    assert hear(subscription("updated", 30)) == PRO


def test_a_price_that_is_not_ours_leaves_the_tier_as_it_was(customer: Customer) -> None:
    assert hear(completed(), subscription("updated", 20, price="price_x", metadata={})) == PRO


def test_older_apis_name_a_plan(customer: Customer) -> None:
    plan: Any = {"items": {"data": [{"plan": {"id": ANNUAL_PRICE}}]}}
    assert hear(completed(), subscription("updated", 20, **plan)) == ANNUAL


@pytest.mark.parametrize("new", [False, True])
def test_a_failed_payment_leaves_time_and_its_end_takes_the_tier(customer: Customer, new: bool) -> None:
    assert hear(completed(), invoice("payment_failed", 20, new=new)) == PRO
    row = Subscription.objects.get()
    assert row.state == "past_due" and row.failed_at == datetime.fromtimestamp(START + 20, UTC)
    assert hear(invoice("payment_failed", 30, new=new)) == PRO
    row.refresh_from_db()
    assert row.failed_at == datetime.fromtimestamp(START + 20, UTC), "since the first"
    assert hear(subscription("updated", 40, status="unpaid")) == FREE
    assert hear(invoice("paid", 50)) == FREE, "what Stripe has given up, Stripe says is active again"
    assert hear(subscription("updated", 60)) == PRO


def test_a_payment_that_comes_in_the_end_keeps_the_tier(customer: Customer) -> None:
    assert hear(completed(), invoice("payment_failed", 20), invoice("paid", 30)) == PRO
    row = Subscription.objects.get()
    assert (row.state, row.failed_at) == ("active", None)


def test_a_first_payment_that_fails_gives_nothing(customer: Customer) -> None:
    assert hear(subscription("created", 1, status="incomplete"), invoice("payment_failed", 2)) == FREE
    assert hear(subscription("updated", 9, status="incomplete_expired")) == FREE


def test_a_debt_that_nobody_ends_lapses_and_payment_brings_it_back(customer: Customer) -> None:
    hear(completed(), invoice("payment_failed", 20))
    assert subscriptions.lapse(NOON + timedelta(days=20)) == 0
    assert subscriptions.lapse(NOON + timedelta(days=22)) == 1
    assert Customer.objects.get().tier == FREE
    assert subscriptions.lapse(NOON + timedelta(days=22)) == 0
    assert hear(invoice("paid", 30)) == PRO


def test_what_a_person_gave_stays_whatever_stripe_says(customer: Customer) -> None:
    customers.give(customer, ENTERPRISE, "ada", NOON)
    assert hear(completed(), subscription("deleted", 20)) == ENTERPRISE


def test_two_subscriptions_and_one_ends(customer: Customer) -> None:
    hear(completed(), completed(11, tier=ANNUAL, subscription="sub_2"))
    assert Customer.objects.get().tier == ANNUAL
    assert hear(subscription("deleted", 20, id="sub_2")) == PRO


@pytest.mark.parametrize("seed", range(20))
def test_whatever_the_order_the_end_is_the_same(customer: Customer, seed: int) -> None:
    events = [
        subscription("created", 10, status="incomplete"),
        completed(10),
        subscription("updated", 11),
        invoice("payment_failed", 40),
        subscription("updated", 40, status="past_due"),
        invoice("paid", 45),
        subscription("updated", 46, price=ANNUAL_PRICE),
        subscription("deleted", 90),
    ]
    end = random.Random(seed).choice([len(events), len(events) - 1])
    events = events[:end]
    random.Random(seed + 100).shuffle(events)
    assert hear(*events, *events) == (FREE if end == 8 else ANNUAL)


def test_what_was_heard_is_forgotten_long_after_stripe_could_send_it_again(customer: Customer) -> None:
    events = completed(), subscription("deleted", 50)
    assert hear(*events) == FREE
    assert billing.sweep(NOON + timedelta(days=31)) == 0, "a person can have it sent again for thirty days"
    assert billing.sweep(NOON + timedelta(days=91)) == 2 and not StripeEvent.objects.exists()
    assert hear(*events) == FREE, "and if it came even then, it would be old news"


def test_an_event_that_concerns_us_not_is_left_alone(customer: Customer) -> None:
    heard = billing.hear(said("charge.refunded", {"id": "ch_1"}), NOON)
    assert "does not concern" in heard.outcome
    assert not StripeEvent.objects.exists()


def test_an_id_that_no_database_takes_is_none(customer: Customer) -> None:
    assert hear(subscription("updated", 10, id="sub\0", metadata={"customer": "acme", "tier": "pro"})) == FREE
    assert not Subscription.objects.exists()


def test_what_fails_midway_is_heard_again(customer: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    def trouble(*_: object) -> str:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(subscriptions, "settle", trouble)
        with pytest.raises(RuntimeError):
            billing.hear(completed(), NOON)
    assert not StripeEvent.objects.exists() and not Subscription.objects.exists()
    assert hear(completed()) == PRO


def test_nothing_of_who_pays_is_kept(customer: Customer) -> None:
    hear(completed(customer_details={"email": "billing@acme.example", "name": "Ada"}))
    rows = [*StripeEvent.objects.values(), *Subscription.objects.values(), *Customer.objects.values()]
    assert "billing@" not in json.dumps(rows, default=str)


@pytest.mark.django_db(transaction=True)
def test_twelve_that_hear_one_event_at_once_act_once() -> None:
    made()

    def one(number: int) -> bool:
        try:
            return billing.hear(completed(), NOON).is_new
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(one, range(12))) == 1
    assert Entry.objects.filter(actor="stripe").count() == 1
    assert Customer.objects.get().tier == PRO

"""The doors of customers: by their key, within their tier, and never a word of a key."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from proxy.tiers import billing, checkout, customers, keys, quota
from proxy.tiers.models import ApiKey, Customer
from proxy.tiers.table import ENTERPRISE, PRO
from tests.api.test_doors import is_problem
from tests.reception.conftest import data
from tests.tiers.stripes import (
    ANNUAL_PRICE,
    PRO_PRICE,
    SECRET_KEY,
    WEBHOOK_SECRET,
    Stripes,
    open_stripes,
    signed,
    subscribe,
)

__all__ = ["data"]

JSON = "application/json"
BACK = {"success_url": "https://acme.example/yes?a=b#c", "cancel_url": "http://localhost:3000/no"}


@pytest.fixture
def customer(db: None, data: Path) -> Customer:
    return customers.add("acme", "test", timezone.now())


@pytest.fixture
def key(customer: Customer) -> str:
    return keys.make(customer, "test", timezone.now()).secret


@pytest.fixture
def client(key: str) -> Client:
    return Client(headers={"X-API-Key": key})


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, json.dumps({} if body is None else body), content_type=JSON)


# --- who ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/usage", "/v1/keys", "/v1/usage/"])
def test_without_a_key_nobody_comes_in(db: None, data: Path, path: str) -> None:
    answer = Client().get(path)
    assert is_problem(answer, 401, "not-authenticated")
    assert "X-API-Key" in answer["WWW-Authenticate"]


@pytest.mark.parametrize("said", ["x", "postern-00000000-" + "A" * 43, "0" * 32, "x" * 5_000, "é"])
def test_a_wrong_key_opens_nothing_and_is_never_quoted(
    client: Client, caplog: pytest.LogCaptureFixture, said: str
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = Client(headers={"X-API-Key": said}).get("/v1/usage")
    assert is_problem(answer, 401, "not-authenticated")
    assert len(said) < 2 or said not in caplog.text + answer.content.decode()


def test_who_guesses_waits(client: Client) -> None:
    for _ in range(10):
        Client(headers={"X-API-Key": "guess"}).get("/v1/usage")
    assert is_problem(Client(headers={"X-API-Key": "guess"}).get("/v1/usage"), 429, "too-many-requests")


def test_an_unknown_path_says_so_in_our_language(db: None) -> None:
    assert is_problem(Client().get("/v1/nothing"), 404, "not-found")


def test_all_keys_of_a_customer_share_the_minute_of_their_tier(customer: Customer, client: Client) -> None:
    other = Client(headers={"X-API-Key": keys.make(customer, "test", timezone.now()).secret})
    statuses = [one.get("/v1/usage").status_code for _ in range(31) for one in (client, other)]
    assert statuses == [200] * 60 + [429] * 2


def test_no_limit_is_no_limit(customer: Customer, client: Client) -> None:
    customers.give(customer, ENTERPRISE, "test", timezone.now())
    assert {client.get("/v1/usage").status_code for _ in range(200)} == {200}


# --- usage ----------------------------------------------------------------------------------------


def test_usage_says_what_is_left_of_the_month(customer: Customer, client: Client) -> None:
    now = timezone.now()
    quota.take(customer, 8, 4_000, now)
    assert client.get("/v1/usage").json() == {
        "customer": "acme",
        "tier": "free",
        "month": quota.month_of(now),
        "renews_at": f"{quota.next_month(now):%Y-%m-%dT00:00:00Z}",
        "files_used": 8,
        "files_allowed": 50,
        "files_left": 42,
        "bytes_used": 4_000,
        "bytes_per_request": 256 << 20,
        "requests_used": 1,
        "requests_per_minute": 60,
        "jobs": False,
        "payment_fails_since": None,
    }
    customers.give(customer, ENTERPRISE, "test", now)
    said = client.get("/v1/usage").json()
    assert (said["files_allowed"], said["files_left"], said["jobs"]) == (None, None, True)


# --- keys -----------------------------------------------------------------------------------------


def test_a_new_key_is_shown_once(customer: Customer, client: Client) -> None:
    answer = post(client, "/v1/keys", {"label": "cluster 2"})
    assert answer.status_code == 201
    new = answer.json()["key"]
    listed = client.get("/v1/keys")
    assert [(one["label"], one["is_this"]) for one in listed.json()["results"]] == [
        ("cluster 2", False),
        ("", True),
    ]
    assert new not in listed.content.decode()
    assert Client(headers={"X-API-Key": new}).get("/v1/usage").json()["customer"] == "acme"


@pytest.mark.parametrize(
    "body", [[], None, {"label": 7 * [1]}, {"label": "x" * 65}, {"label": "a\0"}, {"label": "<b>"}]
)
def test_a_label_that_cannot_be_one(client: Client, body: object) -> None:
    answer = client.post("/v1/keys", json.dumps(body), content_type=JSON)
    assert is_problem(answer, 400, "invalid")


def test_a_rotated_key_holds_for_a_while_and_the_project_is_the_same(
    customer: Customer, client: Client
) -> None:
    answer = post(client, "/v1/keys/rotate", {"grace_hours": 2})
    assert answer.status_code == 201
    new = Client(headers={"X-API-Key": answer.json()["key"]})
    assert new.get("/v1/usage").status_code == client.get("/v1/usage").status_code == 200
    assert is_problem(post(client, "/v1/keys/rotate"), 409, "rotated-already")
    post(new, "/v1/keys/rotate", {"grace_hours": 0})
    assert is_problem(new.get("/v1/usage"), 401, "not-authenticated")


@pytest.mark.parametrize("hours", [-1, 721, "x", None, 1.5])
def test_a_time_of_grace_that_cannot_be_one(client: Client, hours: object) -> None:
    answer = client.post("/v1/keys/rotate", json.dumps({"grace_hours": hours}), content_type=JSON)
    assert is_problem(answer, 400, "invalid")


def test_a_key_is_revoked_at_once_and_the_last_one_stays(customer: Customer, client: Client) -> None:
    mine = ApiKey.objects.get()
    assert is_problem(client.delete(f"/v1/keys/{mine.pk}"), 409, "last-key")
    post(client, "/v1/keys")
    assert client.delete(f"/v1/keys/{mine.pk}").status_code == 204
    assert is_problem(client.get("/v1/keys"), 401, "not-authenticated")


def test_nobody_revokes_the_key_of_another(customer: Customer, client: Client) -> None:
    other = customers.add("other", "test", timezone.now())
    theirs = keys.make(other, "test", timezone.now())
    post(client, "/v1/keys")
    assert is_problem(client.delete(f"/v1/keys/{theirs.key.pk}"), 404, "not-found")
    assert is_problem(client.delete("/v1/keys/999999999999999999"), 404, "not-found")
    assert keys.customer_of(theirs.secret) == other


# --- billing --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stripes]:
    with open_stripes(tmp_path_factory.mktemp("stripe")) as one:
        yield one


@pytest.fixture
def stripe(behind: Stripes, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Stripes:
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = SECRET_KEY, WEBHOOK_SECRET
    settings.STRIPE_PRICE_ID, settings.STRIPE_PRICE_ID_ANNUAL = PRO_PRICE, ANNUAL_PRICE
    monkeypatch.setitem(checkout.BASES, "api", behind.url)
    behind.asked.clear()
    behind.fails_with = 0
    return behind


def tell(event: dict[str, Any]) -> Any:
    body, signature = signed(event)
    headers = {"Stripe-Signature": signature}
    return Client().post(
        "/v1/billing/webhook", body, content_type="application/json; charset=utf-8", headers=headers
    )


def tier(client: Client) -> str:
    return str(client.get("/v1/usage").json()["tier"])


def test_from_checkout_to_the_end_with_a_stripe_of_our_own(client: Client, stripe: Stripes) -> None:
    answer = post(client, "/v1/billing/checkout-session", BACK | {"customer_email": "billing@acme.example"})
    assert answer.status_code == 200, answer.content
    assert answer.json()["url"].startswith("https://checkout.stripe.com/")
    (asked,) = stripe.asked
    assert asked["mode"] == "subscription" and asked["line_items[0][price]"] == PRO_PRICE
    assert asked["subscription_data[trial_period_days]"] == "14"
    assert asked["customer_email"] == "billing@acme.example"
    assert (asked["success_url"], asked["cancel_url"]) == (BACK["success_url"], BACK["cancel_url"])
    assert stripe.keys[-1] == f"Bearer {SECRET_KEY}"
    assert tier(client) == "free"

    session: dict[str, Any] = {
        "id": answer.json()["id"],
        "mode": "subscription",
        "client_reference_id": asked["client_reference_id"],
    }
    session["metadata"] = {"customer": "acme", "tier": asked["metadata[tier]"]}
    done = subscribe(stripe, session, PRO_PRICE)
    assert tell(stripe.event("checkout.session.completed", done)).json() == {"heard": True}
    assert tier(client) == PRO

    ended = stripe.call(f"/v1/subscriptions/{done['subscription']}", "DELETE")
    event = stripe.event("customer.subscription.deleted", ended)
    assert tell(event).json() == {"heard": True}
    assert tell(event).json() == {"heard": False}
    assert tier(client) == "free"


def test_what_localstripe_tells_of_a_subscription_is_understood(
    customer: Customer, client: Client, stripe: Stripes
) -> None:
    session = {"id": "cs_1", "metadata": {"customer": "acme", "tier": "pro"}}
    done = subscribe(stripe, session, ANNUAL_PRICE)
    told = stripe.call(f"/v1/subscriptions/{done['subscription']}", "GET")
    assert tell(stripe.event("customer.subscription.updated", told)).status_code == 200
    assert tier(client) == "annual"
    (invoice,) = stripe.call(f"/v1/invoices?subscription={done['subscription']}", "GET")["data"]
    tell(stripe.event("invoice.payment_failed", invoice))
    assert customer.subscriptions.get().state == "past_due"
    assert client.get("/v1/usage").json()["payment_fails_since"]
    tell(stripe.event("invoice.paid", invoice))
    assert customer.subscriptions.get().state == "active"


def test_the_annual_plan_has_no_trial_and_a_second_subscription_neither(
    customer: Customer, client: Client, stripe: Stripes
) -> None:
    post(client, "/v1/billing/checkout-session", BACK | {"plan": "annual"})
    Customer.objects.update(tried_at=timezone.now(), stripe_id="cus_7")
    post(client, "/v1/billing/checkout-session", BACK | {"plan": "monthly", "customer_email": "a@b.example"})
    annual, again = stripe.asked
    assert annual["line_items[0][price]"] == ANNUAL_PRICE
    assert not any("trial" in name for one in stripe.asked for name in one)
    assert again["customer"] == "cus_7" and "customer_email" not in again


def test_who_has_a_subscription_is_sold_no_second_one(
    customer: Customer, client: Client, stripe: Stripes
) -> None:
    customer.subscriptions.create(stripe_id="sub_1", tier=PRO, state="active", said_at=timezone.now())
    answer = post(client, "/v1/billing/checkout-session", BACK)
    assert is_problem(answer, 409, "subscribed")
    assert not stripe.asked


@pytest.mark.parametrize(
    "wrong",
    [
        {"success_url": ""},
        {"success_url": "javascript:alert(1)"},
        {"success_url": "http://acme.example/"},
        {"success_url": "https://user:secret@acme.example/"},
        {"success_url": "https:///no-host"},
        {"success_url": "https://a.example/\\evil"},
        {"cancel_url": "https://[::1"},
        {"cancel_url": "https://a.example:port/"},
        {"cancel_url": 7},
        {"cancel_url": "https://a.example/" + "x" * 2_000},
        {"plan": "enterprise"},
        {"customer_email": "nobody"},
    ],
)
def test_a_checkout_that_cannot_be_meant(client: Client, stripe: Stripes, wrong: dict[str, Any]) -> None:
    answer = post(client, "/v1/billing/checkout-session", BACK | wrong)
    assert is_problem(answer, 400, "invalid")
    assert [one["field"] for one in answer.json()["errors"]] == list(wrong)
    assert not stripe.asked


def test_where_nothing_is_sold_the_door_says_so(client: Client, settings: Settings) -> None:
    assert is_problem(post(client, "/v1/billing/checkout-session", BACK), 503, "no-billing")
    settings.STRIPE_API_KEY, settings.STRIPE_PRICE_ID = SECRET_KEY, PRO_PRICE
    assert is_problem(
        post(client, "/v1/billing/checkout-session", BACK | {"plan": "annual"}), 503, "no-billing"
    )


@pytest.mark.parametrize("status", [400, 402, 500])
def test_a_stripe_that_will_not_is_no_fault_of_the_caller(
    client: Client, stripe: Stripes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    stripe.fails_with = status
    with caplog.at_level(logging.INFO, "proxy"):
        answer = post(
            client, "/v1/billing/checkout-session", BACK | {"customer_email": "billing@acme.example"}
        )
    assert is_problem(answer, 502, "stripe")
    said = answer.content.decode() + "".join(
        one.getMessage() for one in caplog.records if one.name[:5] == "proxy"
    )
    assert "billing@" not in said and SECRET_KEY not in said and f"status {status}" in said


def test_a_stripe_that_is_away(client: Client, stripe: Stripes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checkout.BASES, "api", "http://127.0.0.1:9")
    monkeypatch.setattr(checkout, "TRIES_MORE", 0)
    assert is_problem(post(client, "/v1/billing/checkout-session", BACK), 502, "stripe")


def test_the_service_refuses_what_is_not_signed(customer: Customer, stripe: Stripes) -> None:
    body, signature = signed(stripe.event("checkout.session.completed", {"client_reference_id": "acme"}))
    for headers in ({}, {"Stripe-Signature": "t=1,v1=00"}, {"Stripe-Signature": signature[:-2]}):
        answer = Client().post("/v1/billing/webhook", body, content_type=JSON, headers=headers)
        assert is_problem(answer, 400, "not-signed")
    for _ in range(7):
        Client().post("/v1/billing/webhook", b"", content_type=JSON)
    answer = Client().post("/v1/billing/webhook", body, content_type=JSON)
    assert is_problem(answer, 429, "too-many-requests") and 0 < int(answer["Retry-After"]) <= 60
    assert customer.tier == "free"


def test_no_stranger_keeps_stripe_from_being_heard(
    customer: Customer, client: Client, stripe: Stripes
) -> None:
    """Behind a proxy that nobody has named, all come from one address."""
    for _ in range(20):
        Client().post("/v1/billing/webhook", b"{}", content_type=JSON, headers={"Stripe-Signature": "t=1"})
        Client().get("/v1/usage", headers={"X-API-Key": "postern-00000000-wrong"})
    assert is_problem(Client().get("/v1/usage", headers={"X-API-Key": "wrong"}), 429, "too-many-requests")
    assert tell(stripe.event("charge.refunded", {"id": "ch_1"})).json() == {"heard": True}


def test_what_claims_to_be_stripe_keeps_no_customer_out(client: Client, stripe: Stripes) -> None:
    for _ in range(20):
        Client().post("/v1/billing/webhook", b"{}", content_type=JSON, headers={"Stripe-Signature": "t=1"})
    assert client.get("/v1/usage").status_code == 200


def test_a_webhook_that_is_too_large_is_not_read(customer: Customer, stripe: Stripes) -> None:
    answer = Client().post("/v1/billing/webhook", b" " * (300 << 10), content_type=JSON)
    assert is_problem(answer, 413, "too-large")
    answer = Client().post("/v1/billing/webhook", b"a=b", content_type="application/x-www-form-urlencoded")
    assert is_problem(answer, 415, "wrong-type")


def test_an_event_that_we_fail_at_is_told_again(
    customer: Customer, client: Client, stripe: Stripes, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = {
        "client_reference_id": "acme",
        "mode": "subscription",
        "payment_status": "paid",
        "subscription": "sub_9",
        "metadata": {"tier": "pro"},
    }
    event = stripe.event("checkout.session.completed", about)
    with monkeypatch.context() as patched:
        patched.setattr(billing, "_told", lambda *_: 1 / 0)
        assert is_problem(tell(event), 500, "our-fault")
    assert tell(event).json() == {"heard": True}
    assert tier(client) == "pro"


@pytest.mark.django_db(transaction=True)
def test_a_webhook_that_comes_over_the_wire_with_a_signature_of_another_maker(
    live_server: LiveServer, data: Path, stripe: Stripes
) -> None:
    """localstripe signs what it sends by itself, and waits a second before it does."""
    customer = customers.add("wired", "test", timezone.now())
    with stripe.telling(f"{live_server.url}/v1/billing/webhook"):
        done = subscribe(stripe, {"metadata": {"customer": "wired", "tier": "pro"}}, PRO_PRICE)
        assert becomes(customer, PRO)
        stripe.call(f"/v1/subscriptions/{done['subscription']}", "DELETE")
        assert becomes(customer, "free")
    with stripe.telling(f"{live_server.url}/v1/billing/webhook", secret="whsec_another"):
        subscribe(stripe, {"metadata": {"customer": "wired", "tier": "pro"}}, PRO_PRICE)
        assert not becomes(customer, PRO, within=3)


def becomes(customer: Customer, tier: str, within: float = 20) -> bool:
    until = time.monotonic() + within
    while customer.tier != tier and time.monotonic() < until:
        time.sleep(0.1)
        customer.refresh_from_db()
    return customer.tier == tier

"""Images that come into a customer's project count against the customer's month; those of the site against nobody's."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections
from django.utils import timezone

from proxy.network.door import Reply
from proxy.quarantine.models import HeldItem
from proxy.reception import charging, held, storing
from proxy.reception.committer import Committer
from proxy.reception.held import CannotRelease
from proxy.reception.storing import Commit, Written
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Route
from proxy.studies.models import Instance
from proxy.tiers import customers, owners, quota
from proxy.tiers.models import Customer, Usage
from proxy.tiers.table import ENTERPRISE, FREE, TIERS
from tests.cast import NEEDLES, StudyPlan, ct
from tests.reception.sending import command_for, encode, files, receive, send


@pytest.fixture
def customer(db: None, data: Path) -> Customer:
    owners.forget()
    return customers.add("acme", "test", timezone.now())


@pytest.fixture
def theirs(customer: Customer) -> RouteFacts:
    Route.objects.create(called_ae="ACME", project=customer.project)
    facts = load_table().route_for("ACME", "CT_EAST")
    assert facts is not None
    return facts


def fill(customer: Customer, files: int) -> None:
    quota.take_many(customer, files, 0, timezone.now())


def used() -> int:
    return sum(Usage.objects.values_list("files", flat=True))


def test_each_image_counts_and_the_same_again_counts_again(theirs: RouteFacts) -> None:
    assert [send(theirs, ct(instance=one)) for one in (1, 2, 2)] == [0, 0, 0]
    assert Instance.objects.count() == 2
    row = Usage.objects.get()
    assert (row.files, row.requests) == (3, 0)
    assert row.size > 3 * 64 * 64 * 2


def test_images_of_the_site_count_for_nobody(customer: Customer, route: RouteFacts) -> None:
    fill(customer, 50)
    assert send(route, ct()) == 0
    assert used() == 50


def test_the_image_after_the_last_is_refused_with_a_reason_and_leaves_nothing(
    customer: Customer, theirs: RouteFacts, data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(customer, 49)
    assert send(theirs, ct(instance=1)) == 0
    before = files(data)
    image = ct(instance=2)
    reply = receive(theirs, encode(image), command_for(image))
    assert reply == Reply(0xA700, "Quota of this month is used up")
    assert files(data) == before
    assert (Instance.objects.count(), used()) == (1, 50)
    assert "customer acme" in caplog.text and "50 files a month" in caplog.text
    assert not [needle for needle in NEEDLES if needle in caplog.text]


def test_who_comes_while_the_last_is_taken_is_refused_in_the_transaction(
    customer: Customer, theirs: RouteFacts, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There was room when its first bytes came."""
    monkeypatch.setattr(charging, "refuse_when_used_up", lambda *_: None)
    fill(customer, 50)
    assert send(theirs, ct()) == 0xA700
    assert not Instance.objects.exists() and used() == 50
    assert not [name for name in files(data) if name.startswith("studies")]


def test_another_month_and_another_tier_open_the_door_again(customer: Customer, theirs: RouteFacts) -> None:
    fill(customer, 50)
    assert send(theirs, ct()) == 0xA700
    customers.give(customer, ENTERPRISE, "test", timezone.now())
    assert send(theirs, ct()) == 0


def test_an_image_over_the_limit_of_the_tier(
    theirs: RouteFacts, monkeypatch: pytest.MonkeyPatch, customer: Customer
) -> None:
    small = replace(TIERS[FREE], size=1_000)
    monkeypatch.setattr(Customer, "allows", small)
    image = ct()
    reply = receive(theirs, encode(image), command_for(image))
    assert reply == Reply(0xA700, "Image over the limit of the tier")
    assert used() == 0


def test_an_image_as_large_as_the_tier_allows_passes(customer: Customer) -> None:
    most, now = customer.allows.size, timezone.now()
    charging.charge([(customer.project_id, most)], now)
    with pytest.raises(charging.OverQuota):
        charging.charge([(customer.project_id, most + 1)], now)
    assert used() == 1


def test_a_held_image_counts_when_it_is_released(customer: Customer, theirs: RouteFacts) -> None:
    burned = ct(StudyPlan(extra={"BurnedInAnnotation": "YES"}))
    assert send(theirs, burned) == 0
    item = HeldItem.objects.get()
    assert used() == 0
    fill(customer, 50)
    with pytest.raises(CannotRelease, match="customer acme"):
        held.release(item.pk, "ada")
    item.refresh_from_db()
    assert item.state == "held"
    customers.give(customer, ENTERPRISE, "test", timezone.now())
    held.release(item.pk, "ada")
    assert used() == 51


def test_an_image_that_cannot_be_read_costs_nothing(theirs: RouteFacts) -> None:
    image = ct()
    assert receive(theirs, encode(image)[:-1_000], command_for(image)).status == 0xC000
    assert used() == 0


def test_a_customer_out_of_force_sends_nothing(customer: Customer, theirs: RouteFacts) -> None:
    customers.retire(customer, "test", timezone.now())
    assert send(theirs, ct()) == 0xA700
    assert used() == 0


def test_promise_11_many_at_the_edge_of_the_quota_get_exactly_what_is_left(
    transactional_db: None, customer: Customer, theirs: RouteFacts, data: Path
) -> None:
    """They share transactions, of which one that is too much is tried again image by image."""
    fill(customer, 43)
    committer: Committer[Commit, Written] = Committer(storing.write)

    def one(number: int) -> int:
        try:
            image = ct(instance=number)
            return receive(theirs, encode(image), command_for(image), commits=committer).status
        finally:
            connections.close_all()

    with ThreadPoolExecutor(12) as pool:
        statuses: Sequence[int] = list(pool.map(one, range(1, 25)))
    assert sorted(statuses) == [0] * 7 + [0xA700] * 17
    assert (Instance.objects.count(), used()) == (7, 50)


def test_a_month_later_there_is_room(customer: Customer) -> None:
    fill(customer, 50)
    assert quota.has_room(customer, timezone.now() + timedelta(days=32)) is None

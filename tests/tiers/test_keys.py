"""A key is shown once, is a digest at rest, and ends; the pseudonyms behind it stay."""

from datetime import timedelta

import pytest
from django.db import connection

from proxy.audit.models import Entry
from proxy.tiers import customers, keys
from proxy.tiers.models import ApiKey, Customer
from tests.tiers.conftest import NOON, made

HEX = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "presented",
    [
        "",
        " ",
        "x",
        HEX,
        "postern-",
        "postern-00000000-" + "A" * 43,
        "x" * 161,
        "\0",
        "ключ",
        "a\nb",
        "é" * 20,
    ],
)
def test_what_is_no_key_opens_nothing(customer: Customer, presented: str) -> None:
    keys.make(customer, "test", NOON)
    assert keys.customer_of(presented, NOON) is None


def test_a_key_names_its_customer_and_no_other(customer: Customer) -> None:
    mine, theirs = keys.make(customer, "test", NOON), keys.make(made("other"), "test", NOON)
    assert keys.customer_of(mine.secret, NOON) == customer
    found = keys.customer_of(theirs.secret, NOON)
    assert found is not None and found.name == "other" and found.project.name == "customer-other"
    assert keys.customer_of(mine.secret[:-1], NOON) is None
    assert keys.customer_of(mine.secret + "x", NOON) is None


def test_promise_8_no_key_stands_in_the_database(customer: Customer) -> None:
    secret = keys.make(customer, "test", NOON).secret
    customers.keep([("acme", HEX)], NOON)
    keys.customer_of(secret, NOON)
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows = repr(cursor.fetchall())
            assert secret not in rows and secret[17:] not in rows and HEX not in rows, table


def test_a_key_is_not_shown_by_accident(customer: Customer) -> None:
    made_key = keys.make(customer, "test", NOON)
    assert made_key.secret not in repr(made_key) + str(made_key.key)


def test_a_revoked_key_ends_at_once_and_only_once(customer: Customer) -> None:
    one = keys.make(customer, "test", NOON)
    assert keys.revoke(one.key, "test", NOON)
    assert not keys.revoke(one.key, "test", NOON)
    assert keys.customer_of(one.secret, NOON) is None


def test_a_rotated_key_is_accepted_for_the_time_of_grace_and_the_project_stays(customer: Customer) -> None:
    old = keys.make(customer, "test", NOON)
    new = keys.rotate(old.key, "test", NOON, timedelta(hours=2))
    assert new is not None
    for secret in (old.secret, new.secret):
        found = keys.customer_of(secret, NOON + timedelta(hours=1))
        assert found is not None and found.project_id == customer.project_id
    assert keys.customer_of(old.secret, NOON + timedelta(hours=2)) is None
    assert keys.customer_of(new.secret, NOON + timedelta(hours=2)) == customer


def test_an_old_key_is_rotated_once(customer: Customer) -> None:
    old = keys.make(customer, "test", NOON)
    assert keys.rotate(old.key, "test", NOON) is not None
    assert keys.rotate(old.key, "test", NOON) is None
    assert ApiKey.objects.count() == 2


def test_a_rotation_without_grace_ends_the_old_key_at_once(customer: Customer) -> None:
    old = keys.make(customer, "test", NOON)
    assert keys.rotate(old.key, "test", NOON, timedelta()) is not None
    assert keys.customer_of(old.secret, NOON) is None


def test_the_last_key_that_lasts_stays_although_an_old_one_is_accepted_yet(customer: Customer) -> None:
    old = keys.make(customer, "test", NOON)
    new = keys.rotate(old.key, "test", NOON)
    assert new is not None and keys.customer_of(old.secret, NOON) == customer
    assert not keys.revoke_if_not_last(new.key, "test", NOON)
    assert keys.customer_of(new.secret, NOON) == customer
    assert keys.revoke_if_not_last(old.key, "test", NOON)
    keys.make(customer, "test", NOON)
    assert keys.revoke_if_not_last(new.key, "test", NOON)


def test_a_customer_out_of_force_has_no_key_that_opens(customer: Customer) -> None:
    one = keys.make(customer, "test", NOON)
    assert customers.retire(customer, "test", NOON)
    assert keys.customer_of(one.secret, NOON) is None
    assert customers.reinstate(customer, "test")
    assert keys.customer_of(one.secret, NOON) == customer
    customer.project.retired_at = NOON
    customer.project.save()
    assert keys.customer_of(one.secret, NOON) is None


def test_the_first_use_of_a_day_leaves_a_mark(customer: Customer) -> None:
    one = keys.make(customer, "test", NOON)
    for hours in (0, 1, 11, 12, 13):
        keys.customer_of(one.secret, NOON + timedelta(hours=hours))
    marks = Entry.objects.filter(action="api-key.used")
    assert [mark.actor for mark in marks] == [f"customer acme (key {one.key.prefix})"] * 2


def test_keys_leave_marks_when_they_come_and_go(customer: Customer) -> None:
    one = keys.make(customer, "ada", NOON)
    keys.rotate(one.key, "ada", NOON)
    keys.revoke(one.key, "ada", NOON)
    said = Entry.objects.filter(action__startswith="api-key", actor="ada").values_list("action", flat=True)
    assert list(said) == ["api-key.made", "api-key.revoked", "api-key.made", "api-key.revoked"]


def test_there_are_not_more_keys_than_anybody_can_mind(customer: Customer) -> None:
    for _ in range(keys.MOST):
        last = keys.make(customer, "test", NOON)
    with pytest.raises(keys.TooManyKeys):
        keys.make(customer, "test", NOON)
    keys.revoke(last.key, "test", NOON)
    keys.make(customer, "test", NOON)

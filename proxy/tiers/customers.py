"""Customers come, go, and get their tier. Each has a project of its own, made with it and named after it."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from proxy.routing.audited import tell
from proxy.routing.models import CUSTOMER_PREFIX, Project
from proxy.tiers import keys, owners, subscriptions
from proxy.tiers.models import ApiKey, Customer
from proxy.tiers.table import FREE, TIERS

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,47}")
NAME_IN_WORDS: Final = "1 to 48 letters, digits, hyphens and underscores, a letter or digit first"
SETTINGS: Final = "settings"


class CannotAdd(Exception):
    """For whoever asked to mend: a sentence says why this is no customer."""


def add(name: str, by: str, now: datetime, *, tier: str = FREE, recipe: str = "basic") -> Customer:
    """Raises CannotAdd."""
    if not NAME.fullmatch(name):
        raise CannotAdd(f"A customer's name has {NAME_IN_WORDS}.")
    with transaction.atomic():
        if Customer.objects.filter(name=name).exists():
            raise CannotAdd("There is a customer of this name.")
        project, _ = Project.objects.get_or_create(name=CUSTOMER_PREFIX + name, defaults={"recipe": recipe})
        made = Customer.objects.create(name=name, project=project, tier=tier, given_tier=tier, made_at=now)
        tell(by, [f"customer {name} created: {tier}"], keys.subject(made))
    owners.forget()
    return made


class AnothersKey(Exception):
    """The operator's to mend: a sentence names both customers, and no key."""


def keep(pairs: Iterable[tuple[str, str]], now: datetime) -> None:
    """Make DCM_API_KEYS true: customers that are new start as Free, keys that are no longer there end, and are accepted
    when they are there again. Raises AnothersKey.

    A key that a person has revoked stays revoked, whatever the setting says.
    """
    wanted = {keys.digest_of(secret): (name, secret) for name, secret in pairs}
    with transaction.atomic():
        known = {key.digest: key for key in _known(wanted)}
        for digest, (name, secret) in wanted.items():
            if (key := known.get(digest)) is None:
                customer = Customer.objects.filter(name=name).first() or add(name, SETTINGS, now)
                keys.keep(customer, secret, SETTINGS, now, source=ApiKey.SETTINGS)
            else:
                _keep_known(key, name, now)
        gone = ApiKey.objects.filter(source=ApiKey.SETTINGS, revoked_at=None).exclude(digest__in=wanted)
        for key in gone.select_related("customer"):
            keys.revoke(key, SETTINGS, now, why=keys.LEFT_OUT)


def _known(digests: Iterable[str]) -> "QuerySet[ApiKey]":
    return ApiKey.objects.filter(digest__in=list(digests)).select_related("customer")


def _keep_known(key: ApiKey, name: str, now: datetime) -> None:
    if key.customer.name != name:
        raise AnothersKey(
            f"DCM_API_KEYS gives {name} a key of customer {key.customer.name}; whoever has it would see what is "
            "theirs. Make a new key, with: openssl rand -hex 32"
        )
    if key.source == ApiKey.SETTINGS and key.revoked_at is not None:
        keys.accept_again(key, SETTINGS, now)


def give(customer: Customer, tier: str, by: str, now: datetime) -> bool:
    """What a person gives is the least that the customer has. False: it was so already."""
    if tier not in TIERS:
        raise ValueError("no such tier")
    with transaction.atomic():
        row = Customer.objects.select_for_update().get(pk=customer.pk)
        if row.given_tier == tier:
            return False
        Customer.objects.filter(pk=row.pk).update(given_tier=tier)
        tell(by, [f"customer {row.name}: {row.given_tier} becomes {tier}"], keys.subject(row))
        subscriptions.settle(row, by)
    return True


def retire(customer: Customer, by: str, now: datetime) -> bool:
    """Out of force: its keys are refused. Its images, its project and its pseudonyms stay."""
    return _move(customer, by, "retired", now)


def reinstate(customer: Customer, by: str) -> bool:
    return _move(customer, by, "reinstated", None)


def _move(customer: Customer, by: str, what: str, retired_at: datetime | None) -> bool:
    with transaction.atomic():
        rows = Customer.objects.filter(pk=customer.pk, retired_at__isnull=retired_at is not None)
        if not rows.update(retired_at=retired_at):
            return False
        tell(by, [f"customer {customer.name} {what}"], keys.subject(customer))
    owners.forget()
    return True

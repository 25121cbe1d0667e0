"""By which key a customer is known.

A key is shown once. At rest there is its digest, and how it begins, by which it is looked up; whether it is the one is
told in constant time. A key has at least 128 random bits, so a plain digest gives nobody anything to guess at. Keys
come and go: the pseudonyms belong to the customer's project.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from proxy.audit.actions import API_KEY_MADE, API_KEY_REVOKED, API_KEY_USED
from proxy.audit.models import Entry
from proxy.audit.record import record
from proxy.tiers.models import ApiKey, Customer

GRACE: Final = timedelta(hours=24)
LONGEST_GRACE: Final = timedelta(days=30)
MOST: Final = 20  # keys of one customer that are accepted at the same time
LONGEST: Final = 160  # characters
OURS: Final = "postern-"
"""How a key begins that was made here; eight more characters tell it from others."""

LEFT_OUT: Final = "DCM_API_KEYS leaves it out"
"""By this, and by no actor's name, the audit tells what a start has revoked from what a person has."""


class TooManyKeys(Exception):
    """The customer's to mend: they have as many keys as they may have."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new key, and the only moment at which anybody sees it."""

    key: ApiKey
    secret: str = field(repr=False)


def customer_of(presented: str, now: datetime | None = None) -> Customer | None:
    """Whose key this is; None for a key that is unknown, revoked or expired, and for a customer out of force."""
    key = found(presented, now or timezone.now())
    return key.customer if key is not None else None


def found(presented: str, now: datetime) -> ApiKey | None:
    """The key itself, with its customer and project. The first use on a day leaves a mark."""
    if not 0 < len(presented) <= LONGEST or not (presented.isascii() and presented.isprintable()):
        return None
    rows = ApiKey.objects.filter(prefix=prefix_of(presented)).select_related("customer__project")
    digest, match = digest_of(presented), None
    for row in rows:
        if hmac.compare_digest(row.digest, digest):
            match = row
    if match is None or not match.is_accepted(now) or _is_out_of_force(match.customer):
        return None
    _mark_use(match, now)
    return match


def _is_out_of_force(customer: Customer) -> bool:
    return customer.is_retired or customer.project.is_retired


def _mark_use(key: ApiKey, now: datetime) -> None:
    """An entry for each request would drown all others; one for each day says which keys live."""
    today = now.astimezone(UTC).date()
    if key.used_on == today:
        return
    with transaction.atomic():
        if ApiKey.objects.filter(~Q(used_on=today), pk=key.pk).update(used_on=today):
            record(API_KEY_USED, actor=actor(key), subject=subject(key.customer), at=now)


def subject(customer: Customer) -> str:
    """As the audit and the counts by the minute name a customer, whatever key is shown."""
    return f"customer {customer.name}"


def actor(key: ApiKey) -> str:
    """As the audit names who acts with this key."""
    return _with(key.customer, key.prefix)


def actors(customer: Customer) -> list[str]:
    """All names under which the audit may know what this customer did. Whole names, because to SQLite a beginning is
    the same in capitals, and customers are not."""
    prefixes = ApiKey.objects.filter(customer=customer).values_list("prefix", flat=True)
    return [subject(customer), *(_with(customer, one) for one in prefixes)]


def _with(customer: Customer, prefix: str) -> str:
    return f"{subject(customer)} (key {prefix})"


# --- making and ending ----------------------------------------------------------------------------


def make(customer: Customer, by: str, now: datetime, label: str = "") -> Made:
    """Raises TooManyKeys."""
    secret = f"{OURS}{secrets.token_hex(4)}-{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        Customer.objects.select_for_update().get(pk=customer.pk)
        if accepted(customer, now).count() >= MOST:
            raise TooManyKeys(f"There are {MOST} keys already; revoke one first.")
        return Made(keep(customer, secret, by, now, label=label), secret)


def keep(
    customer: Customer, secret: str, by: str, now: datetime, *, label: str = "", source: str = ApiKey.MADE
) -> ApiKey:
    """A key that somebody has; with its mark."""
    with transaction.atomic():
        key = ApiKey.objects.create(
            customer=customer,
            prefix=prefix_of(secret),
            digest=digest_of(secret),
            label=label,
            source=source,
            made_at=now,
            made_by=by[:255],
        )
        record(API_KEY_MADE, actor=by, subject=subject(customer), detail={"key": key.prefix}, at=now)
    return key


def rotate(key: ApiKey, by: str, now: datetime, grace: timedelta = GRACE) -> Made | None:
    """A new key of the same customer. The old one is accepted for the time of grace; None if it is not any more."""
    with transaction.atomic():
        mine = ApiKey.objects.select_for_update().filter(_accepted_at(now), pk=key.pk)
        if not mine.filter(Q(expires_at=None) | Q(expires_at__gt=now + grace)).update(expires_at=now + grace):
            return None
        record(
            API_KEY_REVOKED,
            actor=by,
            subject=subject(key.customer),
            detail={"key": key.prefix, "accepted until": (now + grace).isoformat(timespec="seconds")},
            at=now,
        )
        return make(key.customer, by, now, key.label)


def revoke(key: ApiKey, by: str, now: datetime, why: str = "") -> bool:
    """At once. False if somebody was faster."""
    detail = {"key": key.prefix, **({"why": why} if why else {})}
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            return False
        record(API_KEY_REVOKED, actor=by, subject=subject(key.customer), detail=detail, at=now)
    return True


def accept_again(key: ApiKey, by: str, now: datetime) -> bool:
    """One that was revoked because a setting had left it out. False: a person has revoked it, or nothing tells."""
    said = {"action": API_KEY_REVOKED, "subject": subject(key.customer), "at": key.revoked_at}
    if {"key": key.prefix, "why": LEFT_OUT} not in Entry.objects.filter(**said).values_list(
        "detail", flat=True
    ):
        return False
    with transaction.atomic():
        if not ApiKey.objects.filter(pk=key.pk, revoked_at=key.revoked_at).update(revoked_at=None):
            return False
        record(API_KEY_MADE, actor=by, subject=subject(key.customer), detail={"key": key.prefix}, at=now)
    return True


def revoke_if_not_last(key: ApiKey, by: str, now: datetime) -> bool:
    """False: without it the customer could show no key that lasts."""
    with transaction.atomic():
        Customer.objects.select_for_update().get(pk=key.customer_id)
        others = accepted(key.customer, now).exclude(pk=key.pk)
        return others.filter(expires_at=None).exists() and revoke(key, by, now)


def accepted(customer: Customer, now: datetime) -> "QuerySet[ApiKey]":
    return ApiKey.objects.filter(_accepted_at(now), customer=customer)


def _accepted_at(now: datetime) -> Q:
    return Q(revoked_at=None) & (Q(expires_at=None) | Q(expires_at__gt=now))


# --- at rest --------------------------------------------------------------------------------------


def prefix_of(secret: str) -> str:
    return secret[:16] if secret.startswith(OURS) else secret[:8]


def digest_of(secret: str) -> str:
    return hashlib.sha256(b"postern api key\0" + secret.encode()).hexdigest()

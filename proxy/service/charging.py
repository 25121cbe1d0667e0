"""What a request costs, counted in one place: the files that came out clean, once, with the mark of the audit.

Before the body is read the request itself is counted, so that nobody is let in who has nothing left. When all files are
done, what is charged, what the audit says and the end of the ZIP are one transaction: a request that would cross the
quota is refused whole, and its ZIP is thrown away. A file that failed was never charged, so nothing has to be given
back, and a process that is killed midway has charged for nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction

from proxy.audit.actions import PSEUDONYMIZED
from proxy.audit.record import record
from proxy.service.fates import Fates, counts
from proxy.tiers import keys, quota
from proxy.tiers.models import Customer
from proxy.tiers.quota import Refused

MOST_ASKED: Final = 64  # files that may come before it is asked again how many are left


@dataclass(slots=True, eq=False)
class OverQuota(Exception):
    """A limit of the customer's tier stands against it."""

    refused: Refused

    def __str__(self) -> str:
        return self.refused.reason


def admit(customer: Customer, size: int, now: datetime) -> None:
    """Counts the request, and nothing else. Raises OverQuota."""
    if size > customer.allows.size:
        raise OverQuota(quota.too_large(customer.allows))
    if refused := quota.has_room(customer, now):
        raise OverQuota(refused)
    taken = quota.take(customer, 0, 0, now, requests=1)
    if isinstance(taken, Refused):
        raise OverQuota(taken)


def has_left(customer: Customer, now: Callable[[], datetime]) -> Callable[[int], None]:
    """To be asked after each clean file, so that nobody works on for a request that will be refused. Asks the database
    only when as many have come as were left before."""
    known = 0

    def ask(count: int) -> None:
        nonlocal known
        if count <= known:
            return
        used, at = quota.of_month(customer, now()), now()
        if refused := quota.refusal(customer.allows, used, count, 0, at):
            raise OverQuota(refused)
        allowed = customer.allows.files
        left = count + MOST_ASKED if allowed is None else allowed - used.files
        known = max(count, min(left, count + MOST_ASKED))

    return ask


def settle(
    customer: Customer,
    actor: str,
    fates: Fates,
    size: int,
    now: datetime,
    end: Callable[[str], int],
    **detail: Any,
) -> tuple[str, int]:
    """The mark's MAC once all is counted, and what `end` gives, which is told the MAC: nobody pays for an answer that
    could not be ended. Raises OverQuota, and what `end` raises: then nothing was counted."""
    with transaction.atomic():
        taken = quota.take(customer, fates.processed, size, now, requests=0)
        if isinstance(taken, Refused):
            raise OverQuota(taken)
        entry = record(
            PSEUDONYMIZED,
            actor=actor,
            subject=keys.subject(customer),
            detail={**counts(fates), "bytes": size, **detail},
            at=now,
        )
        return entry.mac, end(entry.mac)

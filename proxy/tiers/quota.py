"""How much a customer may still ask for. Whoever asks takes it before the work, in one atomic update, or is refused.

    match quota.take(customer, files, size, now):
        case Refused() as no: ...            # nothing was counted
        case Taken(): ...                    # all of it was

All or nothing: a request that would cross the quota is refused whole. The same file again counts again. What failed is
not taken in the first place, so nothing is ever given back. What comes
through reception (C-STORE, STOW-RS into the store) is counted there, in the transaction of the image, and must not be
taken here as well.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final

from proxy import sql
from proxy.tiers.models import Customer
from proxy.tiers.table import Tier

NO_LIMIT: Final = 1 << 62
TRIES: Final = 3


class Limit(Enum):
    """Which one is reached. Of these only the size stays: the same request will never do."""

    FILES = "files"
    REQUESTS = "requests"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Taken:
    """What was counted; `used` of this month, these included."""

    files: int
    used: int


@dataclass(frozen=True, slots=True)
class Refused:
    """`retry_after`: until the minute, or the month, begins anew; None if waiting does not help."""

    limit: Limit
    reason: str
    retry_after: timedelta | None


@dataclass(frozen=True, slots=True)
class Used:
    """Of one customer in one month."""

    month: str
    renews_at: datetime
    files: int = 0
    size: int = 0
    requests: int = 0
    minute: int = 0
    minute_requests: int = 0


def take(customer: Customer, files: int, size: int, now: datetime, *, requests: int = 1) -> Taken | Refused:
    """`size` in bytes, of all files. A request that takes more than once is counted once: `requests=0` after that."""
    if files < 0 or size < 0 or not 0 <= requests <= 1:
        raise ValueError("A quota is taken of, never added to.")
    tier = customer.allows
    return too_large(tier) if size > tier.size else take_many(customer, files, size, now, requests=requests)


def take_many(
    customer: Customer, files: int, size: int, now: datetime, *, requests: int = 0
) -> Taken | Refused:
    """For images that come by DICOM together, of which none is too large: they are no requests of the minute."""
    tier = customer.allows
    for _ in range(TRIES):
        used = _count(customer, files, size, requests, now)
        if used is not None:
            return Taken(files, used)
        refused = refusal(tier, of_month(customer, now), files, requests, now)
        if refused is not None:
            return refused
    return Refused(Limit.REQUESTS, "Too many ask at the same moment; ask again.", timedelta(seconds=1))


def has_room(customer: Customer, now: datetime) -> Refused | None:
    """Whether one more file would be refused as things are; takes nothing."""
    return refusal(customer.allows, of_month(customer, now), 1, 0, now)


def of_month(customer: Customer, now: datetime) -> Used:
    rows = sql.ask(_OF_MONTH, customer.pk, month_of(now))
    return Used(month_of(now), next_month(now), *(rows[0] if rows else ()))


# --- deciding -------------------------------------------------------------------------------------


def refusal(tier: Tier, used: Used, files: int, requests: int, now: datetime) -> Refused | None:
    """Which limit stands against it, if any. The month first: it is the longer wait."""
    if tier.files is not None and used.files + files > tier.files:
        return Refused(Limit.FILES, _too_many(tier, tier.files, used.files, files), next_month(now) - now)
    if tier.requests is None or not requests or used.minute != minute_of(now):
        return None
    if used.minute_requests < tier.requests:
        return None
    reason = f"{tier.title} allows {tier.requests} requests in a minute; wait."
    return Refused(Limit.REQUESTS, reason, next_minute(now) - now)


def too_large(tier: Tier) -> Refused:
    return Refused(Limit.SIZE, f"{tier.title} allows {tier.size} bytes at once; send less at once.", None)


def _too_many(tier: Tier, allowed: int, used: int, files: int) -> str:
    if files > allowed:
        return f"{tier.title} allows {allowed} files a month, and these are {files} at once."
    left = max(allowed - used, 0)
    return f"Of the {allowed} files a month that {tier.title} allows, {left} are left, and these are {files}."


# --- months and minutes ---------------------------------------------------------------------------


def month_of(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y-%m}"


def next_month(now: datetime) -> datetime:
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


def minute_of(now: datetime) -> int:
    return int(now.timestamp() // 60)


def next_minute(now: datetime) -> datetime:
    return datetime.fromtimestamp((minute_of(now) + 1) * 60, UTC)


# --- counting -------------------------------------------------------------------------------------

_TAKE: Final = """
UPDATE tiers_usage SET
    files = files + %s, size = size + %s, requests = requests + %s,
    minute_requests = CASE WHEN minute = %s THEN minute_requests + %s ELSE %s END,
    minute = %s
WHERE customer_id = %s AND month = %s AND files + %s <= %s
    AND (minute <> %s OR minute_requests + %s <= %s)
RETURNING files"""
_OF_MONTH: Final = """
SELECT files, size, requests, minute, minute_requests FROM tiers_usage WHERE customer_id = %s AND month = %s"""


def _count(customer: Customer, files: int, size: int, requests: int, now: datetime) -> int | None:
    """The files of this month once these are counted; None if a limit stands against it."""
    tier, month, minute = customer.allows, month_of(now), minute_of(now)
    most = NO_LIMIT if tier.files is None else tier.files
    rate = NO_LIMIT if tier.requests is None or not requests else tier.requests
    values = (
        *(files, size, requests, minute, requests, requests, minute),
        *(customer.pk, month, files, most, minute, requests, rate),
    )
    rows = sql.ask(_TAKE, *values)
    if not rows and _begin(customer, month):
        rows = sql.ask(_TAKE, *values)
    return int(rows[0][0]) if rows else None


def _begin(customer: Customer, month: str) -> bool:
    """The row of a new month; of several first askers one makes it. False: it was there before."""
    if sql.ask(_OF_MONTH, customer.pk, month):
        return False
    row = (customer.pk, month, 0, 0, 0, 0, 0)
    sql.insert_many("tiers_usage", _COLUMNS, [row], on_conflict="ON CONFLICT (customer_id, month) DO NOTHING")
    return True


_COLUMNS: Final = ("customer_id", "month", "files", "size", "requests", "minute", "minute_requests")

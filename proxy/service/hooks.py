"""A customer's webhook: a signed POST when a job has ended, in the form of the alerts' webhook (docs/alerts.md).

Only to hosts that the site has named: else a customer could have us ask whatever we can reach and they cannot.
"""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import transaction

from proxy.alerts.channels.outcomes import NotTold
from proxy.alerts.channels.webhook import post
from proxy.deliveries.addresses import Trust
from proxy.routing.audited import tell
from proxy.routing.peers import file_of
from proxy.service.fates import counts
from proxy.service.lifecycle import RUNNING
from proxy.service.models import Hook, Job
from proxy.tiers import keys
from proxy.tiers.models import Customer
from proxy.vault.keyring import current
from proxy.waits import doubled

log = logging.getLogger(__name__)

LONGEST: Final = 500
TELL_EVERY: Final = 5.0  # seconds
LEASE: Final = timedelta(minutes=5)
PAUSE, PAUSE_MAX = timedelta(seconds=30), timedelta(hours=1)
MOST_TRIES: Final = 24
AT_ONCE: Final = 20


def objection(url: str) -> str:
    """Why this is no place to tell; empty if it is one."""
    host = _host(url)
    if not host or len(url) > LONGEST:
        return (
            f"A webhook's address begins with https://, names no user, and has {LONGEST} characters at most."
        )
    if host not in {one.lower() for one in settings.SERVICE_WEBHOOK_HOSTS}:
        return "This host is none of those to which results may be told here; ask the operator."
    return ""


def _host(url: str) -> str:
    """With its port, if one is named; empty for an address that another reader could take for another host's."""
    if not (url.isascii() and url.isprintable()) or set(url) & set(" \\"):
        return ""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme == "https" and parts.hostname and "@" not in parts.netloc
        return parts.netloc.lower() if is_one else ""
    except ValueError:
        return ""


def lead_to(customer: Customer, url: str, now: datetime, by: str) -> str:
    """The new secret, which is shown this once."""
    secret = secrets.token_urlsafe(32)
    wrapped = current().wrap(_context(customer.pk), secret.encode())
    facts = {"url": url, "secret": wrapped, "made_at": now}
    with transaction.atomic():
        Hook.objects.update_or_create(customer=customer, defaults=facts)
        _mark(customer, by, f"leads to {_host(url)} now")
    return secret


def remove(customer: Customer, by: str) -> bool:
    with transaction.atomic():
        is_gone = bool(Hook.objects.filter(customer=customer).delete()[0])
        if is_gone:
            _mark(customer, by, "removed")
    return is_gone


def _mark(customer: Customer, by: str, what: str) -> None:
    """Of an address the host alone: what follows may be a secret of theirs."""
    tell(by, [f"the webhook of customer {customer.name} {what}"], keys.subject(customer))


def tell_due(now: Callable[[], datetime], going: Callable[[], bool]) -> int:
    """Those that are due, the oldest first; how many were told."""
    due = Job.objects.filter(tell_at__lte=now()).order_by("tell_at")
    return sum(_tell(job, now) for job in list(due[:AT_ONCE]) if going())


def _tell(job: Job, now: Callable[[], datetime]) -> bool:
    """One conditional update claims it; a crash in between tells it twice, under the same id."""
    mine = Job.objects.filter(pk=job.pk, tell_at=job.tell_at)
    until = now() + LEASE
    if not mine.update(tell_at=until, tell_tries=job.tell_tries + 1):
        return False
    trouble = _told(job)
    claimed = Job.objects.filter(pk=job.pk, tell_at=until)
    if trouble is None:
        claimed.update(tell_at=None)
    elif job.tell_tries + 1 >= MOST_TRIES:
        claimed.update(tell_at=None)
        log.error("the webhook of a job is given up: %s", trouble.reason)
    else:
        claimed.update(
            tell_at=now() + max(doubled(PAUSE, PAUSE_MAX, job.tell_tries + 1), trouble.after or timedelta(0))
        )
    return trouble is None


def _told(job: Job) -> NotTold | None:
    hook = Hook.objects.filter(customer=job.customer_id).first()
    if hook is None or job.state == RUNNING:
        return None
    if why := objection(hook.url):
        return NotTold(why)
    try:
        secret = current().unwrap(_context(job.customer_id), hook.secret).decode()
        return post(hook.url, body_of(job), secret, Trust(file_of(settings.ALERT_AUTHORITIES)))
    except Exception as trouble:  # ours or of a library beneath; what it says may quote anything
        return NotTold(f"It ended in {type(trouble).__name__}.")


def body_of(job: Job) -> dict[str, object]:
    said = {"id": job.name, "event": "job.ended", "state": job.state, **counts(job), "size": job.size}
    return {**said, "audit": job.mark or None}


def _context(customer_id: int) -> str:
    return f"webhook:{customer_id}"

"""Jobs, and answers that can be repeated: begun once for each Idempotency-Key, kept for a day, then gone.

A job is cleaned while it is uploaded, like any other request, because an original may lie nowhere, not even sealed.
What is asynchronous is the answer: it waits here, and can be fetched again and again. Whoever works on a job says so
every few seconds; when nobody has for minutes, the process is gone, and the job has failed.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet, Sum
from django.utils import timezone

from proxy.service import spool
from proxy.service.fates import Fates, counts
from proxy.service.lifecycle import DONE, FAILED, GONE, LIFE, RUNNING
from proxy.service.models import Hook, Job
from proxy.service.spool import Spool
from proxy.service.troubles import Busy, TooMuch
from proxy.storage import files
from proxy.tiers.models import Customer
from proxy.vault.keyring import current

KEPT_FOR: Final = timedelta(hours=24)
SAID_EVERY: Final = timedelta(seconds=5)
LEASE: Final = timedelta(minutes=5)
SWEEP_EVERY: Final = 60.0  # seconds
MEGABYTE: Final = 1 << 20
ENDED: Final = "The process that worked on it ended; send it again."
CROWDED: Final = "There is no room to keep the result; fetch or delete others, or try again later."
TOO_LARGE: Final = "A job of so many bytes could not be kept here, whatever else is; send smaller ones."
LOST: Final = "Another process took this job over."


@dataclass(frozen=True, slots=True)
class Known:
    """A request under this key has been done; `job` says how it ended."""

    job: Job


@dataclass(frozen=True, slots=True)
class StillRunning:
    """A request under this key is being worked on."""


def begin(customer: Customer, kind: str, key_mac: str, now: datetime) -> Job | Known | StillRunning:
    """A row of one's own to work under. Without a key it is always a new one."""
    found = Job.objects.filter(customer=customer, key_mac=key_mac).first() if key_mac else None
    if found is None:
        return _new(customer, kind, key_mac, now)
    rescue(now)
    if expire(Job.objects.filter(pk=found.pk), now):
        return _new(customer, kind, key_mac, now)
    found.refresh_from_db()
    if found.state == RUNNING:
        return StillRunning()
    if found.state != FAILED or found.kind != kind:
        return Known(found)
    again = _fresh(now) | {"received": 0, **counts(Fates()), "reason": ""}
    if not LIFE.move(Job.objects.filter(pk=found.pk), "again", **again, ended_at=None, expires_at=None):
        return StillRunning()
    found.refresh_from_db()
    return found


def _new(customer: Customer, kind: str, key_mac: str, now: datetime) -> Job | StillRunning:
    """Of two that come at once one wins."""
    name = secrets.token_hex(16)
    try:
        with transaction.atomic():
            return Job.objects.create(name=name, customer=customer, kind=kind, key_mac=key_mac, **_fresh(now))
    except IntegrityError:
        return StillRunning()


def _fresh(now: datetime) -> dict[str, Any]:
    return {"token": secrets.token_hex(16), "begun_at": now, "seen_at": now}


def mac_of(project_id: int, what: str, value: str) -> str:
    """Keyed, so that a row says nothing of what was sent."""
    return current().blind(project_id, f"service {what}\0{value}")


# --- while it is worked on ----------------------------------------------------------------------------


@contextmanager
def worked_on(job: Job) -> Iterator[None]:
    """What ends the work ends the job, with the sentence that its sender gets."""
    try:
        yield
    except BaseException as error:
        fail(job, _sentence(error), timezone.now())
        raise


TOLD: Final = ("proxy.service.", "proxy.api.")
"""Rooms whose exceptions are sentences for the sender. Others' name key files and commands of the operator's, and what
a library says could quote anything."""


def _sentence(error: BaseException) -> str:
    is_told = type(error).__module__.startswith(TOLD)
    return str(error)[:255] if is_told else "It ended in a fault of ours; send it again."


class Progress:
    """Says every few seconds that the job is worked on, and how far it is. Raises Busy if it was taken over."""

    def __init__(self, job: Job) -> None:
        self._job, self._said_at = job, job.seen_at

    def say(self, received: int, fates: Fates) -> None:
        now = timezone.now()
        if now - self._said_at < SAID_EVERY:
            return
        self._said_at = now
        mine = _mine(self._job).filter(state=RUNNING)
        if not mine.update(seen_at=now, received=received, **counts(fates)):
            raise Busy("taken-over", LOST)


def keep(job: Job, spool: Spool, size: int, fates: Fates, mark: str, body_mac: str, received: int) -> None:
    """Its ZIP is durable, then its row says so. An answer for which there is no room is over at once. Raises Busy for a
    job whose result could not wait for anybody, and where another process took it over."""
    now, is_kept = timezone.now(), make_room(size)
    if job.kind == Job.JOB and not is_kept:
        raise Busy("crowded", CROWDED, 600.0)
    file = spool.keep().name if is_kept else ""
    facts = {"mark": mark, "body_mac": body_mac, "received": received, "file": file, "size": size}
    ends = {"ended_at": now, "seen_at": now, "expires_at": now + KEPT_FOR, **_to_tell(job, now)}
    if not LIFE.move(_mine(job), "finish", **counts(fates), **facts, **ends):
        raise Busy("taken-over", LOST)
    if not is_kept:
        LIFE.move(_mine(job), "let go")


def fail(job: Job, reason: str, now: datetime) -> None:
    ends = {"ended_at": now, "expires_at": now + KEPT_FOR, **_to_tell(job, now)}
    LIFE.move(_mine(job), "fail", reason=reason, **ends)


def _to_tell(job: Job, now: datetime) -> dict[str, Any]:
    """Whoever waits for a job may want to be told; an answer is told by itself."""
    wanted = job.kind == Job.JOB and Hook.objects.filter(customer=job.customer_id).exists()
    return {"tell_at": now if wanted else None, "tell_tries": 0}


def _mine(job: Job) -> "QuerySet[Job]":
    return Job.objects.filter(pk=job.pk, token=job.token)


# --- what is kept -------------------------------------------------------------------------------------


def make_room(size: int) -> bool:
    """Answers that could be repeated go first, oldest first; a job's result stays until it is fetched or expires."""
    most = settings.SERVICE_KEPT_LIMIT * MEGABYTE
    answers = Job.objects.filter(state=DONE, kind=Job.ANSWER).exclude(file="").order_by("ended_at")
    while _kept() + size > most:
        oldest = answers.first()
        if oldest is None:
            return False
        let_go(Job.objects.filter(pk=oldest.pk))
    return True


def may_begin(size: int) -> None:
    """A job of so many bytes, as far as anybody knows before it is done. Raises Busy, TooMuch."""
    most = settings.SERVICE_KEPT_LIMIT * MEGABYTE
    if _kept(kind=Job.JOB) + size >= most:
        raise TooMuch("too-large", TOO_LARGE) if 0 < most < size else Busy("crowded", CROWDED, 600.0)


def _kept(**which: str) -> int:
    rows = Job.objects.filter(state=DONE, **which).exclude(file="")
    return int(rows.aggregate(all=Sum("size"))["all"] or 0)


def let_go(rows: "QuerySet[Job]") -> int:
    """The row first, then the file: what a crash leaves in between, the sweep finds."""
    count = 0
    for pk, file in list(rows.filter(state=DONE).values_list("pk", "file")):
        if LIFE.move(Job.objects.filter(pk=pk), "let go", file=""):
            count += 1
            if file:
                files.remove(spool.folder() / file)
    return count


def of_customer(customer: Customer) -> "QuerySet[Job]":
    return Job.objects.filter(customer=customer, kind=Job.JOB).order_by("-pk")


# --- sweeping -----------------------------------------------------------------------------------------


def rescue(now: datetime) -> int:
    """Jobs whose process has not been heard of."""
    late = Job.objects.filter(state=RUNNING, seen_at__lt=now - LEASE)
    if not late.exists():
        return 0
    ends = {"reason": ENDED, "ended_at": now, "expires_at": now + KEPT_FOR}
    told = late.filter(Exists(Hook.objects.filter(customer=OuterRef("customer"))), kind=Job.JOB)
    return LIFE.move(told, "rescue", **ends, tell_at=now, tell_tries=0) + LIFE.move(late, "rescue", **ends)


def expire(rows: "QuerySet[Job]", now: datetime) -> int:
    """Of these, those that have had their day; how many rows and files."""
    late = rows.filter(expires_at__lte=now)
    count = let_go(late)
    over = late.filter(state__in=[FAILED, GONE])
    return count + over.delete()[0] if over.exists() else count


def sweep(now: datetime) -> int:
    """What has had its day goes; how many rows and files."""
    count = rescue(now) + expire(Job.objects.all(), now)
    named = set(Job.objects.exclude(file="").values_list("file", flat=True))
    return count + spool.sweep(named)

"""Seals outlive files: they go only where RETENTION_SEALS says so, and then nothing leads back any more."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from proxy.audit.actions import SEALS_DROPPED
from proxy.audit.record import record
from proxy.retention.facts import facts_of
from proxy.retention.images import PAGE, Going
from proxy.studies.lifecycle import EXPIRED
from proxy.studies.models import Instance, Revision
from proxy.vault import seals

IMAGES: Final = 200


def due(keep_for: timedelta, now: datetime, going: Going, by: str) -> int:
    """Drop the seals of expired revisions that were over so long ago; how many went."""
    dropped = 0
    for revision in _old(now - keep_for):
        if not going():
            break
        dropped += _dropped(revision, now, by)
    return dropped


def _old(before: datetime) -> Iterator[Revision]:
    """A result on its way home still takes its patient from them."""
    last = 0
    rows = Revision.objects.filter(state=EXPIRED, seals_gone_at=None, ended_at__lte=before)
    ready = rows.exclude(files_gone_at=None).select_related("study").order_by("pk")
    while page := list(ready.filter(pk__gt=last)[:PAGE]):
        facts = facts_of(page)
        yield from (one for one in page if not (facts[one.pk].coming_home or facts[one.pk].held))
        last = page[-1].pk


def _dropped(revision: Revision, now: datetime, by: str) -> int:
    """One transaction a page; the last one says that it is done."""
    dropped = sum(_dropped_of(revision, uids) for uids in _pages(revision))
    with transaction.atomic():
        if Revision.objects.filter(pk=revision.pk, seals_gone_at=None).update(seals_gone_at=now):
            detail = {"revision": revision.number, "seals": dropped}
            record(SEALS_DROPPED, actor=by, subject=revision.study.uid, detail=detail)
    return dropped


def _dropped_of(revision: Revision, uids: list[str]) -> int:
    """An image may come again at any moment, in whatever study. Seals are looked up before it is asked who has come:
    whoever comes after that brings another one, which stays."""
    numbers = seals.numbers(revision.study.project_id, uids)
    return seals.drop_these([numbers[uid] for uid in _gone(revision, uids) if uid in numbers])


def _gone(revision: Revision, uids: list[str]) -> "QuerySet[Instance, str]":
    """Those that are not here again, and were not when their seal was still to be kept."""
    again = Instance.objects.filter(
        project_id=OuterRef("project_id"), uid=OuterRef("uid"), revision__seals_gone_at=None
    ).exclude(revision=revision)
    rows = Instance.objects.filter(~Exists(again), revision=revision, uid__in=uids)
    return rows.values_list("uid", flat=True)


def _pages(revision: Revision) -> Iterator[list[str]]:
    last, rows = 0, Instance.objects.filter(revision=revision).order_by("pk")
    while page := list(rows.filter(pk__gt=last).values_list("pk", "uid")[:IMAGES]):
        yield [uid for _, uid in page]
        last = page[-1][0]

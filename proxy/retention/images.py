"""Files of what was delivered go when their retention has passed.

The row says `expired` first, then the files go, page by page, then the row says that they are gone. So nothing that
somebody may still ask for is named and missing; and a kill in between leaves files whose rows say who removes them:
the next round does, and until then `doctor` names them. An image that comes again meanwhile is taken as new.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from proxy.audit.actions import EXPIRED as EXPIRED_ACTION
from proxy.audit.record import record
from proxy.retention.facts import facts_of
from proxy.storage import files
from proxy.studies.lifecycle import DELIVERED, EXPIRED, LIFE
from proxy.studies.models import Instance, Revision, Study
from proxy.studies.retention import Go, Keep, Policy, Verdict, decide

PAGE: Final = 100  # revisions
FILES: Final = 500
SOON, LATEST = timedelta(hours=1), timedelta(days=1)

Going = Callable[[], bool]


@dataclass(slots=True)
class Gone:
    """What one round has let go."""

    revisions: int = 0
    images: int = 0


def pages(rows: "QuerySet[Revision]") -> Iterator[list[Revision]]:
    """All of these, by number, with their studies."""
    last = 0
    while page := list(rows.filter(pk__gt=last).select_related("study__project").order_by("pk")[:PAGE]):
        yield page
        last = page[-1].pk


def here(project: str = "") -> "QuerySet[Revision]":
    """All that have files, of this project or of any."""
    rows = Revision.objects.exclude(state=EXPIRED)
    return rows.filter(study__project__name=project) if project else rows


def judged(page: Iterable[Revision], policy: Policy, now: datetime) -> Iterator[tuple[Revision, Verdict]]:
    revisions = list(page)
    facts = facts_of(revisions)
    return ((one, decide(facts[one.pk], policy, now)) for one in revisions)


# --- by the clock -----------------------------------------------------------------------------------


def due(policy: Policy, now: datetime, going: Going, by: str) -> Gone:
    """Let go what is due. What stays is looked at again when its time comes, or in a while."""
    gone = Gone()
    while going() and (page := _waiting(now)):
        for revision, first in judged(page, policy, now):
            if not going():
                break
            verdict = let_go(revision, policy, now, by, gone) if isinstance(first, Go) else first
            if isinstance(verdict, Keep):
                _look_again(revision, verdict, now)
    return gone


def _waiting(now: datetime) -> list[Revision]:
    rows = Revision.objects.filter(state=DELIVERED, look_at__lte=now)
    return list(rows.select_related("study__project").order_by("look_at", "pk")[:PAGE])


def _look_again(revision: Revision, keep: Keep, now: datetime) -> None:
    """Not later than in a day: a setting may have changed."""
    at = min(keep.until or now + SOON, now + LATEST)
    Revision.objects.filter(pk=revision.pk, state=DELIVERED).update(look_at=at)


# --- letting go -------------------------------------------------------------------------------------


def let_go(revision: Revision, policy: Policy, now: datetime, by: str, gone: Gone) -> Verdict:
    """Looked at once more, under its locks; then its files are removed."""
    verdict = _expired(revision, policy, now, by)
    if isinstance(verdict, Go):
        gone.revisions += 1
        gone.images += removed(revision.pk, now)
    return verdict


def _expired(revision: Revision, policy: Policy, now: datetime, by: str) -> Verdict:
    """Who holds the study, retries a delivery or commits to an image waits for us here, or we for them."""
    with transaction.atomic():
        study = Study.objects.select_for_update(no_key=True).get(pk=revision.study_id)
        row = Revision.objects.select_for_update(no_key=True).get(pk=revision.pk)
        row.study = study
        verdict = decide(facts_of([row])[row.pk], policy, now)
        mine = Revision.objects.filter(pk=row.pk)
        if isinstance(verdict, Go) and LIFE.move(mine, "expire", ended_at=verdict.since):
            detail = {"revision": row.number, "images": row.total, "was": row.state}
            record(EXPIRED_ACTION, actor=by, subject=study.uid, detail=detail)
    return verdict


def unfinished() -> "QuerySet[Revision]":
    """Expired, and not all of their files are known to be gone: somebody died, or is at it."""
    return Revision.objects.filter(state=EXPIRED, files_gone_at=None)


def finish(now: datetime, going: Going) -> int:
    """Go on where a kill ended; how many images were looked after."""
    images = 0
    for number in list(unfinished().order_by("ended_at", "pk").values_list("pk", flat=True)[:1000]):
        if not going():
            break
        images += removed(number, now)
    return images


def removed(number: int, now: datetime) -> int:
    """The files of this expired revision are gone when this returns; how many images it had. Twice is as once."""
    folder, images, places = Path(settings.DICOM_STORAGE_DIR) / "studies", 0, set()
    for first, last, paths in _files_of(number):
        files.remove_many(folder / path for path in paths)
        _may_come_again(number, first, last)
        images += len(paths)
        places |= {(folder / path).parent for path in paths}
    for place in places:
        files.remove_folder(place)
    unfinished().filter(pk=number).update(files_gone_at=now)
    return images


def _files_of(number: int) -> Iterator[tuple[int, int, list[str]]]:
    """(first, last, paths) of pages by the instances' numbers."""
    last, rows = 0, Instance.objects.filter(revision_id=number).order_by("pk")
    while page := list(rows.filter(pk__gt=last).values_list("pk", "path")[:FILES]):
        last = page[-1][0]
        yield page[0][0], last, [path for _, path in page]


def _may_come_again(number: int, first: int, last: int) -> None:
    rows = Instance.objects.filter(revision_id=number, pk__gte=first, pk__lte=last, expired=0)
    rows.update(expired=F("pk"))

"""Is a study here as a whole? Quiet time says that nothing comes any more; only its PACS says that nothing is missing.

Where a route names a PACS to ask (`ask_counts`), its revisions stay open past their quiet time until it was asked. If
it has more than came, they wait for the rest, which joins them, and it is asked again; after DICOM_COUNTS_PATIENCE they
go on as they are, and say so. A PACS that cannot be asked holds up nothing: then quiet time is all there is, as it is
on every other route.

Who asks is told by `due` and answers with `hear`; nothing here knows what a study is called outside.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from proxy import sql
from proxy.routing.models import Route
from proxy.studies.lifecycle import RECEIVING
from proxy.studies.models import Instance, PacsCount, Revision, Study
from proxy.waits import doubled

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(seconds=60)
CLAIM: Final = timedelta(seconds=120)
GRACE: Final = timedelta(seconds=60)
UNASKED: Final = "nobody came to ask it in time"


@dataclass(frozen=True, slots=True)
class Heard:
    """Images the PACS has of a study, those of them that came here, and those of a kind that is not accepted here."""

    said: int
    here: int
    not_taken: int = 0

    @property
    def missing(self) -> int:
        return max(0, self.said - self.here - self.not_taken)


@dataclass(frozen=True, slots=True)
class Unheard:
    """The reason is a sentence."""

    why: str


@dataclass(frozen=True, slots=True)
class Settled:
    """Nothing more is waited for."""


@dataclass(frozen=True, slots=True)
class AskAgain:
    at: datetime


Answer = Heard | Unheard


def decide(answer: Answer, row: PacsCount, patience: timedelta, now: datetime) -> Settled | AskAgain:
    """What it said once holds while it cannot be asked: images that are missing are still missing."""
    missing = answer.missing if isinstance(answer, Heard) else missing_of(row)
    deadline = row.since + patience
    if not missing or now >= deadline:
        return Settled()
    return AskAgain(min(now + pause(row.asked), deadline))


def pause(asked: int) -> timedelta:
    return doubled(FIRST_PAUSE, LONGEST_PAUSE, asked + 1)


def missing_of(row: PacsCount) -> int:
    return (
        Heard(row.said, row.here, row.not_taken).missing
        if row.said is not None and row.here is not None
        else 0
    )


# --- the rows ---------------------------------------------------------------------------------------------


def is_settled() -> Q:
    """A condition on revisions, for moves: nobody is to be asked, or was, about just these images. Nobody asks about a
    series that was set aside."""
    asking = Route.objects.filter(pk=OuterRef("route_id"), ask_counts__retired_at=None)
    settled = PacsCount.objects.filter(revision=OuterRef("pk"), total=OuterRef("total"))
    waits_for_none = Q(series__isnull=False) | ~Exists(asking.exclude(ask_counts=None))
    return waits_for_none | Exists(settled.exclude(settled_at=None))


def is_wanted() -> bool:
    """Some route asks a PACS, or one was being asked when its route stopped asking."""
    return _ANY_ASKS.any() or _ANY_ASKED.any()


_ANY_ASKS: Final = sql.Standing(lambda _: Route.objects.exclude(ask_counts=None))
_ANY_ASKED: Final = sql.Standing(lambda _: PacsCount.objects.filter(settled_at=None))


def begin(now: datetime) -> int:
    """Quiet revisions whose PACS is to be asked from now on; how many. More images since then begin it anew."""
    quiet = Revision.objects.filter(state=RECEIVING, quiet_at__lte=now).exclude(is_settled())
    known = PacsCount.objects.filter(revision=OuterRef("pk"), total=OuterRef("total"))
    rows = list(quiet.filter(~Exists(known)).values_list("pk", "route__ask_counts", "total")[:500])
    fresh = {"since": now, "next_at": now, "asked": 0, "asked_at": None, "settled_at": None}
    fresh |= {"said": None, "here": None, "not_taken": 0, "trouble": ""}
    for revision_id, node_id, total in rows:
        PacsCount.objects.update_or_create(
            revision_id=revision_id, defaults={**fresh, "node_id": node_id, "total": total}
        )
    return len(rows)


def due(now: datetime, limit: int = 200) -> list[PacsCount]:
    """Those to ask about now, longest due first."""
    rows = _open().filter(next_at__lte=now).select_related("node", "revision__study__project")
    return list(rows.order_by("next_at", "pk")[:limit])


def _open() -> "QuerySet[PacsCount]":
    return PacsCount.objects.filter(settled_at=None, revision__state=RECEIVING)


def claim(row: PacsCount, now: datetime) -> bool:
    """Whoever wins this asks; after a death another one does."""
    mine = PacsCount.objects.filter(pk=row.pk, settled_at=None, total=row.total, next_at__lte=now)
    return bool(mine.update(next_at=now + CLAIM))


def hear(row: PacsCount, answer: Answer, now: datetime) -> bool:
    """Keep what was said and what follows from it. False: it is about images of a while ago, or was settled."""
    changes: dict[str, object] = {"asked": F("asked") + 1, "asked_at": now}
    if isinstance(answer, Heard):
        changes |= {"said": answer.said, "here": answer.here, "not_taken": answer.not_taken, "trouble": ""}
    else:
        changes |= {"trouble": answer.why[:255]}
    verdict = decide(answer, row, patience(), now)
    changes |= {"next_at": verdict.at} if isinstance(verdict, AskAgain) else {"settled_at": now}
    return bool(PacsCount.objects.filter(pk=row.pk, settled_at=None, total=row.total).update(**changes))


def patience() -> timedelta:
    return timedelta(seconds=settings.DICOM_COUNTS_PATIENCE)


def give_up(now: datetime) -> int:
    """Whoever was to ask is silent: no study waits for that longer than for its PACS."""
    late = PacsCount.objects.filter(settled_at=None, since__lte=now - patience() - GRACE)
    late.filter(said=None, trouble="").update(trouble=UNASKED)
    return late.update(settled_at=now)


# --- for whoever watches ------------------------------------------------------------------------------------


def is_being_asked(since: datetime) -> Exists:
    """A condition on revisions: they wait for their PACS, and were to be asked about no longer ago than this."""
    return Exists(PacsCount.objects.filter(revision=OuterRef("pk"), settled_at=None, next_at__gte=since))


def incomplete(since: datetime) -> "QuerySet[PacsCount]":
    """Of studies that went on since then with fewer images than their PACS has, and got no better since."""
    short = PacsCount.objects.filter(said__gt=F("here") + F("not_taken"))
    later = PacsCount.objects.filter(revision__study=OuterRef("revision__study"), settled_at__isnull=False)
    later = later.filter(revision__number__gt=OuterRef("revision__number"))
    return short.filter(~Exists(later), settled_at__gte=since)


# --- in words -----------------------------------------------------------------------------------------------


def sureness(study: Study) -> str:
    """How sure it is that all of it is here, as far as it came: `412 of 412 by PACS`, or `quiet for 60 s`."""
    last = study.revisions.order_by(F("series").asc(nulls_first=True), "-number").first()
    if last is None:
        return "nothing of it is here"
    if last.state == RECEIVING and not PacsCount.objects.filter(revision=last).exists():
        return "it is still arriving"
    counts = PacsCount.objects.filter(revision__study=study).select_related("node", "revision")
    return sureness_of(last, counts.order_by("-revision__number").first())


def sureness_of(revision: Revision, row: PacsCount | None) -> str:
    if row is None:
        return f"quiet for {_quiet_for(revision)} s"
    if row.said is None:
        trouble = row.trouble or "it has not answered yet"
        return f"quiet for {_quiet_for(row.revision)} s; {row.node.name} could not say more: {trouble.rstrip('.')}"
    return counted(row)


def counted(row: PacsCount) -> str:
    parts = [f"{row.here} of {row.said} by {row.node.name}"]
    if row.not_taken:
        parts.append(f"{row.not_taken} of kinds that are not accepted here")
    if missing := missing_of(row):
        waited = (
            f"did not come within {round((row.settled_at - row.since).total_seconds())} s"
            if row.settled_at
            else ""
        )
        parts.append(f"{missing} {waited or 'not here yet'}")
    return "; ".join(parts)


def waiting_for(row: PacsCount) -> str:
    """Of one that is not settled: a clause for an operator."""
    until = row.since + patience()
    if not missing_of(row):
        return f"{row.node.name} is being asked how many images it has"
    return f"{counted(row)}, and it goes on without them at {until:%Y-%m-%d %H:%M:%S} UTC"


def _quiet_for(revision: Revision) -> int:
    """Seconds between its last image and its end."""
    last = Instance.objects.filter(revision=revision).aggregate(last=Max("received_at"))["last"]
    return max(0, round((revision.quiet_at - last).total_seconds())) if last else settings.DICOM_STUDY_TIMEOUT

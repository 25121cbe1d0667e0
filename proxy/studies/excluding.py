"""Series that never leave: excluded by a rule of their route when they come, or by a person with a comment.

Their images have revisions of their own, which end as `excluded`: no destination gets them, nobody finds or retrieves
them here, the ledger counts them as excluded, and their files stay as those of rejected ones do. What comes later of
such a series goes the same way, whatever became of the rule, until a person includes it again; then all of it is
released.

What has gone out before somebody excluded its series is not called back, and does not go once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet

from proxy import sql
from proxy.audit.actions import SERIES_EXCLUDED, SERIES_INCLUDED
from proxy.audit.record import record
from proxy.studies.lifecycle import (
    COMPLETE,
    DELIVERED,
    EXCLUDED,
    EXPIRED,
    LIFE,
    RECEIVING,
    REJECTED,
    RELEASED,
    REVIEW,
)
from proxy.studies.models import Exclusion, Instance, Revision, Series, Study

STILL_HERE: Final = (RECEIVING, COMPLETE, REVIEW, REJECTED)
GONE_OUT: Final = (RELEASED, DELIVERED, EXPIRED)
FAR: Final = 1_000_000_000  # more ordinals than any revision has

NO_COMMENT: Final = "Say why: whoever asks in a year finds it in the audit."
HELD: Final = "its study is held; set it free first."
EXCLUDED_ALREADY: Final = "a person has excluded it already."
NOT_EXCLUDED: Final = "it is not excluded."


@dataclass(frozen=True, slots=True)
class Done:
    """In images: those that stay here, or leave, from now on; and those that are on their way, or gone, already."""

    images: int
    too_late: int = 0


@dataclass(frozen=True, slots=True)
class Undone:
    """Why nothing was changed, as a clause or sentence."""

    why: str


Recall = Callable[[Revision], Callable[[], None] | None]
"""Asked about a released revision, under its lock: None if nothing can be held back of it, else what is to be called
once images were taken out of it."""
Resume = Callable[[int], None]
"""Told of a revision that was excluded and leaves after all."""


def not_at_all(revision: Revision) -> None:
    """What is released is not touched."""


def with_new_ones(revision_id: int) -> None:
    """Deliveries of what leaves after all are opened when studies settle."""


# --- while studies settle -----------------------------------------------------------------------------------


def is_aside(revision: Revision) -> bool:
    """It has its own because its series is excluded, and still is: until the caller's transaction ends, too."""
    if revision.series_id is None:
        return False
    Study.objects.select_for_update(no_key=True).get(pk=revision.study_id)
    return _standing(revision.series_id, revision.route_id).exists()


def holds_some(revision: str = "pk") -> Exists:
    """A condition on whatever names a revision: images of an excluded series are in it, as they were out before."""
    found = Instance.objects.filter(revision=OuterRef(revision), revision__study__excludes=True)
    said = Q(series__exclusions__rule="") | Q(series__exclusions__route=F("revision__route"))
    return Exists(found.filter(said, series__exclusions__lifted_at=None))


def close(mine: "QuerySet[Revision]", revision: Revision, now: datetime) -> int:
    """What arrived of an excluded series is complete: it stays. In the caller's transaction."""
    moved = LIFE.move(mine, "exclude", ended_at=now)
    found = _standing(revision.series_id, revision.route_id).first()
    if moved and found is not None and revision.series is not None:
        detail = {"revision": revision.number, "images": revision.total, "series": revision.series.uid}
        detail |= {"rule": found.rule} if found.rule else {"decided by": found.by}
        record(SERIES_EXCLUDED, actor="settle", subject=revision.study.uid, detail=detail)
    return moved


def is_included(project_id: int, series_uid: str, route_id: int) -> bool:
    """A person has said that it leaves this way, whatever the rule says."""
    rows = Exclusion.objects.filter(series__study__project=project_id, series__uid=series_uid)
    rows = rows.filter(route=route_id) | rows.filter(rule="")
    return rows.exists() and not rows.filter(lifted_at=None).exists()


def _standing(series_id: int | None, route_id: int) -> "QuerySet[Exclusion]":
    """What excludes it there now: this route's rule, or a person, who speaks for all."""
    rows = Exclusion.objects.filter(series=series_id, lifted_at=None)
    return rows.filter(route_id=route_id) | rows.filter(rule="")


# --- what persons decide ------------------------------------------------------------------------------------


def exclude(
    series: Series, by: str, now: datetime, comment: str, recall: Recall = not_at_all
) -> Done | Undone:
    """From now on nothing of it leaves, by any route; what is here and not on its way yet stays.

    Decided again, it holds back what was being sent the first time.
    """
    if not comment.strip():
        return Undone(NO_COMMENT)
    with transaction.atomic():
        study = _locked(series)
        already = Exclusion.objects.filter(series=series, lifted_at=None, rule="").exists()
        images = sum(_set_aside(row, series, now) for row in _with(series, STILL_HERE))
        images += sum(_recalled(row, series, now, recall) for row in _with(series, (RELEASED,)))
        if already and not images:
            return Undone(EXCLUDED_ALREADY)
        _write_down(study, series, by, now, comment)
        late = Instance.objects.filter(series=series, revision__state__in=GONE_OUT).count()
        detail = {"series": series.uid, "images": images, "too late": late}
        record(SERIES_EXCLUDED, actor=by, subject=study.uid, purpose=comment, detail=detail)
    return Done(images, late)


def _write_down(study: Study, series: Series, by: str, now: datetime, comment: str) -> None:
    """For each route that its study came by; for others `index` finds it there."""
    said = {"rule": "", "by": by[:150], "comment": comment[:255], "made_at": now, "lifted_at": None}
    for route_id in study.revisions.order_by().values_list("route_id", flat=True).distinct():
        Exclusion.objects.update_or_create(series=series, route_id=route_id, defaults=said)
    Series.objects.filter(pk=series.pk).update(excluded=True)
    Study.objects.filter(pk=study.pk).update(excludes=True)


def include(
    series: Series, by: str, now: datetime, comment: str, resume: Resume = with_new_ones
) -> Done | Undone:
    """It leaves after all, by every route, also against a rule: what was kept is released."""
    if not comment.strip():
        return Undone(NO_COMMENT)
    with transaction.atomic():
        study = _locked(series)
        if study.is_held:
            return Undone(HELD)
        if not Exclusion.objects.filter(series=series, lifted_at=None).update(lifted_at=now):
            return Undone(NOT_EXCLUDED)
        Series.objects.filter(pk=series.pk).update(excluded=False)
        kept = dict(Revision.objects.filter(series=series, state=EXCLUDED).values_list("pk", "total"))
        LIFE.move(Revision.objects.filter(pk__in=kept), "include", released_at=now, ended_at=None)
        for revision_id in kept:
            resume(revision_id)
        images = sum(kept.values())
        detail = {"series": series.uid, "images": images}
        record(SERIES_INCLUDED, actor=by, subject=study.uid, purpose=comment, detail=detail)
    return Done(images)


def _locked(series: Series) -> Study:
    """Whoever places images of this study waits for us, or we for them."""
    return Study.objects.select_for_update(no_key=True).get(pk=series.study_id)


def _with(series: Series, states: tuple[str, ...]) -> list[Revision]:
    rows = Revision.objects.select_for_update(no_key=True).filter(study=series.study_id, state__in=states)
    return [row for row in rows.order_by("pk") if row.instances.filter(series=series).exists()]


# --- taking images out of a revision ------------------------------------------------------------------------


def _set_aside(revision: Revision, series: Series, now: datetime) -> int:
    """How many images. A revision that has no others is set aside itself."""
    images = revision.instances.filter(series=series).count()
    mine = Revision.objects.filter(pk=revision.pk)
    if images < revision.total:
        aside = _beside(revision, series, images, now)
        revision.instances.filter(series=series).update(revision=aside, ordinal=F("ordinal") + FAR)
        mine.update(total=F("total") - images)
        _number_again(aside)
        _number_again(revision)
    else:
        mine.update(series=series)
        LIFE.move(mine, "exclude", ended_at=now)
    return images


def _recalled(revision: Revision, series: Series, now: datetime, recall: Recall) -> int:
    afterwards = recall(revision)
    if afterwards is None:
        return 0
    images = _set_aside(revision, series, now)
    afterwards()
    return images


def _beside(revision: Revision, series: Series, images: int, now: datetime) -> Revision:
    """Of the same day: whatever was counted for it stays."""
    last = Revision.objects.filter(study=revision.study_id).aggregate(last=Max("number"))["last"]
    made = Revision.objects.create(
        study_id=revision.study_id,
        route_id=revision.route_id,
        series=series,
        number=last + 1,
        state=EXCLUDED,
        opened_at=revision.opened_at,
        quiet_at=now,
        ended_at=now,
        total=images,
    )
    made.destinations.set(revision.destinations.all())
    return made


def _number_again(revision: Revision) -> None:
    """Ordinals from 0 without a gap: they are bits in the progress of deliveries, of which there is none yet."""
    rows = Instance.objects.filter(revision=revision)
    rows.filter(ordinal__lt=FAR).update(ordinal=F("ordinal") + FAR)
    sql.ask(_NUMBER, revision.pk)


_NUMBER: Final = (
    "UPDATE studies_instance SET ordinal = ranked.place FROM (SELECT id AS number,"
    " row_number() OVER (ORDER BY ordinal) - 1 AS place FROM studies_instance WHERE revision_id = %s) ranked"
    " WHERE studies_instance.id = ranked.number"
)


# --- in words -----------------------------------------------------------------------------------------------


def why(revision: Revision) -> str:
    """Of one that was set aside."""
    found = _standing(revision.series_id, revision.route_id).select_related("route").first()
    return sentence(found) if found else ""


def sentence(exclusion: Exclusion) -> str:
    if exclusion.rule:
        return f"by the rule “{exclusion.rule}” of the route {exclusion.route}."
    return f"by {exclusion.by} on {exclusion.made_at:%Y-%m-%d %H:%M} UTC: {exclusion.comment}"


def sentences(series: Series) -> list[str]:
    """Why it does not leave, for its page; a person's decision once, whatever the routes."""
    rows = Exclusion.objects.filter(series=series, lifted_at=None).select_related("route")
    return list(dict.fromkeys(sentence(row) for row in rows.order_by("pk")))


def of_study(study: Study) -> list[str]:
    """A line for each series that does not leave."""
    rows = study.series.filter(excluded=True).order_by("pk")
    return [
        f"Series {known_as(one)} ({_images(one)}) is excluded {said}"
        for one in rows
        for said in sentences(one)
    ]


def known_as(series: Series) -> str:
    """What of it a person knows it by: the description is mostly gone."""
    parts = (series.number, series.modality, series.description)
    return " ".join(part for part in parts if part) or series.uid


def _images(series: Series) -> str:
    kept = Instance.objects.filter(series=series, revision__series=series).count()
    return "1 image kept" if kept == 1 else f"{kept} images kept"

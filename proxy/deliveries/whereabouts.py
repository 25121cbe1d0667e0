"""Where is this study, and what should somebody do about it? Answered in sentences, from rows alone.

What is read is turned into plain facts first; the sentences are pure functions of them and of the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import Count, QuerySet

from proxy.deliveries import lifecycle
from proxy.deliveries.models import Delivery
from proxy.deliveries.queue import ahead_of
from proxy.quarantine.keeping import RULE
from proxy.quarantine.lifecycle import DISCARDED, HELD
from proxy.quarantine.models import HeldItem
from proxy.routing.breaker import zone
from proxy.routing.models import Destination
from proxy.routing.standing import Standing, at, sentence, standing_of, standstill
from proxy.studies import completeness, excluding
from proxy.studies import lifecycle as study_life
from proxy.studies.models import PacsCount, Revision, Study

STANDS_WELL = Standing()
SOON = timedelta(seconds=30)
NOTHING = "Nothing needs to be done."
WORK = "Start `manage.py work`; nobody is working."
WAIT = "Wait."
SET_FREE = "Set the study free first."
SEND_THEM = "Send what is missing, or wait."


@dataclass(frozen=True, slots=True)
class Answer:
    where: str
    todo: str

    def __str__(self) -> str:
        return f"{self.where} {self.todo}"


@dataclass(frozen=True, slots=True)
class Part:
    """One revision of a study and one destination it is bound to; none of both where there is none."""

    number: int
    state: str
    images: int
    quiet_at: datetime
    held: bool = False
    destination: str = ""
    standing: Standing = STANDS_WELL
    zone: tzinfo = UTC
    ahead: int = 0
    delivery: str = ""
    acknowledged: int = 0
    attempts: int = 0
    reason: str = ""
    next_try_at: datetime | None = None
    lease_until: datetime | None = None
    finished_at: datetime | None = None
    lacking: str = ""  # what its PACS has said, while it waits for that
    asked_next_at: datetime | None = None
    excluded: str = ""  # why its series does not leave

    @property
    def said(self) -> str:
        images = "1 image" if self.images == 1 else f"{self.images} images"
        return f"Revision {self.number} ({images})"

    def is_stopped(self) -> bool:
        """Where a held study is stopped: before its release, and before each claim."""
        if self.delivery:
            return self.delivery == lifecycle.WAITING
        return self.state in {study_life.COMPLETE, study_life.RELEASED}

    @property
    def count(self) -> str:
        return f"{self.acknowledged} of {self.images}"


def whereabouts(study: Study, destination: str | None, now: datetime) -> list[Answer]:
    """What is in the way first; then a line for each destination and revision."""
    found = [*_held_study(study), *held_images(study.project_id, study.uid)]
    found += ruled_out(study.project_id, study.uid)
    return found + list(dict.fromkeys(answer(part, now) for part in parts_of(study, destination)))


def _held_study(study: Study) -> Iterator[Answer]:
    if study.held_at is not None:
        where = f"The study is held since {at(study.held_at)}: {sentence(study.held_reason)}"
        yield Answer(where, "Look at it and set it free in the admin (Studies); nothing is sent before.")


def held_images(project_id: int, study_uid: str) -> Iterator[Answer]:
    """What a gate stopped of this study; it may be all there is of it."""
    rows = HeldItem.objects.filter(project_id=project_id, study_uid=study_uid, state=HELD)
    for code, reason, number in (
        rows.values_list("code", "reason").annotate(number=Count("pk")).order_by("code")
    ):
        images = "1 image is" if number == 1 else f"{number} images are"
        where = f"{images} in quarantine ({code}): {sentence(reason)}"
        yield Answer(where, "Release or discard it in the admin (Held items).")


def ruled_out(project_id: int, study_uid: str) -> Iterator[Answer]:
    """What a gate stopped, and a rule of the route excludes anyhow."""
    rows = HeldItem.objects.filter(
        project_id=project_id, study_uid=study_uid, state=DISCARDED, decided_by=RULE
    )
    for why, number in rows.values_list("comment").annotate(number=Count("pk")).order_by("comment"):
        images = "1 image is" if number == 1 else f"{number} images are"
        yield Answer(f"{images} kept in quarantine and will not leave: {sentence(why)}", NOTHING)


# --- from rows to facts ---------------------------------------------------------------------------


def parts_of(study: Study, destination: str | None) -> list[Part]:
    parts: list[Part] = []
    for revision in (
        study.revisions.order_by("number").select_related("study").prefetch_related("destinations__node")
    ):
        deliveries = {one.destination_id: one for one in _deliveries(revision)}
        bound = {one.pk: one for one in revision.destinations.all()}
        bound |= {one.destination_id: one.destination for one in deliveries.values()}
        named = sorted(
            (one for one in bound.values() if destination in (None, one.name)), key=lambda one: one.name
        )
        parts += [_part(revision, one, deliveries.get(one.pk)) for one in named]
        if not bound and destination is None:
            parts.append(_part(revision, None, None))
    return parts


def _deliveries(revision: Revision) -> "QuerySet[Delivery]":
    return revision.deliveries.select_related("destination__node")


def _part(revision: Revision, destination: Destination | None, delivery: Delivery | None) -> Part:
    facts: dict[str, Any] = {"held": revision.study.is_held}
    if revision.state == study_life.RECEIVING:
        facts |= _counting(revision)
    if revision.state == study_life.EXCLUDED:
        facts |= {"excluded": excluding.why(revision)}
    if destination is not None:
        facts |= {"destination": destination.name, "standing": standing_of(destination), "zone": zone()}
    if delivery is not None:
        facts |= {"ahead": ahead_of(delivery)} if delivery.state == lifecycle.WAITING else {}
        same = ("acknowledged", "attempts", "reason", "next_try_at", "lease_until", "finished_at")
        facts |= {"delivery": delivery.state} | {name: getattr(delivery, name) for name in same}
    return Part(revision.number, revision.state, revision.total, revision.quiet_at, **facts)


def _counting(revision: Revision) -> dict[str, Any]:
    rows = PacsCount.objects.filter(revision=revision, settled_at=None, total=revision.total)
    row = rows.select_related("node").first()
    return {"lacking": completeness.waiting_for(row), "asked_next_at": row.next_at} if row else {}


# --- from facts to sentences ----------------------------------------------------------------------


def answer(part: Part, now: datetime) -> Answer:
    if part.held and part.is_stopped():
        where = f"{part.said} stays here while its study is held, {part.count} acknowledged"
        return Answer(f"{where} by {part.destination}." if part.destination else f"{where}.", SET_FREE)
    if part.delivery:
        return _of_delivery(part, now)
    return _of_revision(part, now)


def _of_revision(part: Part, now: datetime) -> Answer:
    match part.state:
        case study_life.RECEIVING | study_life.COMPLETE:
            return _not_released(part, now)
        case study_life.REVIEW:
            return Answer(f"{part.said} waits for review.", "Approve or reject it in the admin (Revisions).")
        case study_life.REJECTED:
            return Answer(
                f"{part.said} was rejected by a person.", "Reconsider it in the admin if it should go."
            )
        case study_life.EXCLUDED:
            where = f"{part.said} stays here, its series is excluded: {sentence(part.excluded)}"
            return Answer(where, "Include the series in the admin (Series) if it should go.")
        case study_life.EXPIRED:
            return Answer(f"{part.said} has expired: its files are gone.", "Send it again from its source.")
    return _without_delivery(part)


def _not_released(part: Part, now: datetime) -> Answer:
    overdue = max(part.quiet_at, part.asked_next_at or part.quiet_at) + SOON < now
    if part.lacking and not overdue:
        return Answer(f"{part.said} is quiet: {part.lacking}.", SEND_THEM)
    if part.state == study_life.RECEIVING and not overdue:
        where = f"{part.said} is being received; it is complete at {at(part.quiet_at)} if nothing more comes."
        return Answer(where, WAIT)
    return Answer(f"{part.said} is complete and not released yet.", WORK if overdue else WAIT)


def _without_delivery(part: Part) -> Answer:
    if not part.destination:
        where = f"{part.said} is here; its route has no destination."
        return Answer(where, "Give the route a destination if it should go on.")
    where = f"{part.said} is released and has no delivery to {part.destination} yet."
    return Answer(where, f"{WORK} If one works, run `manage.py doctor`.")


def _of_delivery(part: Part, now: datetime) -> Answer:
    match part.delivery:
        case lifecycle.DELIVERED:
            finished = f" at {at(part.finished_at)}" if part.finished_at else ""
            gone = " Its files have expired here." if part.state == study_life.EXPIRED else ""
            return Answer(
                f"{part.said} is at {part.destination}: {part.count} acknowledged{finished}.{gone}", NOTHING
            )
        case lifecycle.REFUSED:
            where = (
                f"{part.destination} refused {part.said}, {part.count} acknowledged: {sentence(part.reason)}"
            )
            return Answer(where, "Mend the cause and retry it in the admin (Deliveries), or drop it.")
        case lifecycle.DROPPED:
            where = f"{part.said} to {part.destination} was given up by a person, {part.count} acknowledged."
            return Answer(where, "Retry it in the admin (Deliveries) if it should go.")
        case lifecycle.CLAIMED:
            return _being_sent(part, now)
    return _waiting(part, now)


def _being_sent(part: Part, now: datetime) -> Answer:
    where = f"{part.said} is being sent to {part.destination}: {part.count} acknowledged."
    if part.lease_until is not None and part.lease_until < now:
        return Answer(f"{where} Its worker fell silent at {at(part.lease_until)}.", WORK)
    return Answer(where, WAIT)


def _waiting(part: Part, now: datetime) -> Answer:
    where = f"{part.said} waits for {part.destination}, {part.count} acknowledged"
    still = standstill(part.standing, now, part.zone, part.reason)
    if still is not None:
        return Answer(sentence(f"{where}; {still.why}"), still.todo)
    if part.attempts and part.next_try_at is not None and part.next_try_at > now:
        where = f"{where}; attempt {part.attempts} failed: {sentence(part.reason)}"
        return Answer(where, f"It is tried again at {at(part.next_try_at)}.")
    if part.ahead:
        before = "1 other goes" if part.ahead == 1 else f"{part.ahead} others go"
        return Answer(f"{where}; {before} before it.", WAIT)
    overdue = part.next_try_at is not None and part.next_try_at + SOON < now
    return Answer(
        f"{where}; it is its turn.", f"{WAIT} If that lasts, start `manage.py work`." if overdue else WAIT
    )

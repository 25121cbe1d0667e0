"""Put arrivals into the index, in batches, inside the caller's transaction.

Storing the same instance twice is as once. The same SOP Instance UID with other content is a conflict, never
an overwrite. A study's rows are locked in the order of their UIDs, so that two processes never wait for each
other in a circle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from proxy.studies.lifecycle import RECEIVING
from proxy.studies.models import Instance, Revision, Series, Study


@dataclass(frozen=True, slots=True)
class Arrival:
    """One clean image, durable on disk, that wants to be known. All values are pseudonymous."""

    project_id: int
    route_id: int
    destination_ids: tuple[int, ...]
    node_id: int | None
    patient: str
    study_uid: str
    study: dict[str, str]
    series_uid: str
    series: dict[str, str]
    uid: str
    sop_class: str
    transfer_syntax: str
    number: str
    path: str
    size: int
    header_mac: str
    bulk_digest: str
    received_at: datetime
    quiet_at: datetime
    waived: frozenset[str] = frozenset()  # conflicts that a person has decided in this image's favour


@dataclass(frozen=True, slots=True)
class Stored:
    instance_id: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    instance_id: int


@dataclass(frozen=True, slots=True)
class Conflict:
    code: str
    reason: str


Outcome = Stored | Duplicate | Conflict

OTHER_CONTENT = Conflict("conflict", "This SOP Instance UID is already here with other content.")
RECOMPRESSED = Conflict(
    "recompressed", "This image is already here in another compression; its pixels are being compared."
)
TWO_PERSONS = Conflict("two-persons", "This study already belongs to another person; a person must decide.")


def compare(known: Instance, arrival: Arrival) -> Duplicate | Conflict:
    """What a second image with a known SOP Instance UID is."""
    if known.header_mac != arrival.header_mac:
        return OTHER_CONTENT
    if known.bulk_digest == arrival.bulk_digest:
        return Duplicate(known.pk)
    return RECOMPRESSED if known.transfer_syntax != arrival.transfer_syntax else OTHER_CONTENT


def find(project_id: int, uid: str) -> Instance | None:
    return Instance.objects.filter(project_id=project_id, uid=uid).first()


def place(arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Store a batch; outcomes in the order of the arrivals. The caller's transaction makes it one commit."""
    outcomes: dict[int, Outcome] = {}
    studies = _studies(arrivals)
    revisions: dict[tuple[int, int], Revision] = {}
    known = {(row.project_id, row.uid): row for row in _known(arrivals)}
    for place_in_batch in sorted(range(len(arrivals)), key=lambda i: _key(arrivals[i])):
        arrival = arrivals[place_in_batch]
        study = studies[arrival.project_id, arrival.study_uid]
        twin = known.get((arrival.project_id, arrival.uid))
        if twin is not None:
            outcomes[place_in_batch] = compare(twin, arrival)
        elif study.patient != arrival.patient and TWO_PERSONS.code not in arrival.waived:
            outcomes[place_in_batch] = _hold(study, arrival)
        else:
            instance = _add(arrival, study, revisions)
            known[arrival.project_id, arrival.uid] = instance
            outcomes[place_in_batch] = Stored(instance.pk)
    return [outcomes[i] for i in range(len(arrivals))]


def _key(arrival: Arrival) -> tuple[int, str, str]:
    return arrival.project_id, arrival.study_uid, arrival.uid


def _known(arrivals: Iterable[Arrival]) -> Iterable[Instance]:
    by_project: dict[int, list[str]] = {}
    for arrival in arrivals:
        by_project.setdefault(arrival.project_id, []).append(arrival.uid)
    for project_id, uids in by_project.items():
        yield from Instance.objects.filter(project_id=project_id, uid__in=uids)


def _studies(arrivals: Iterable[Arrival]) -> dict[tuple[int, str], Study]:
    """The studies of a batch, made where new, locked in key order."""
    rows: dict[tuple[int, str], Study] = {}
    for arrival in sorted(arrivals, key=_key):
        key = (arrival.project_id, arrival.study_uid)
        if key not in rows:
            rows[key] = _locked_study(arrival)
    return rows


def _locked_study(arrival: Arrival) -> Study:
    wanted = {"project_id": arrival.project_id, "uid": arrival.study_uid}
    study = Study.objects.select_for_update().filter(**wanted).first()
    if study is None:
        fresh = Study(**wanted, patient=arrival.patient, received_at=arrival.received_at, **arrival.study)
        Study.objects.bulk_create([fresh], ignore_conflicts=True)
        study = Study.objects.select_for_update().get(**wanted)
    return study


def _hold(study: Study, arrival: Arrival) -> Conflict:
    Study.objects.filter(pk=study.pk, held_at=None).update(
        held_at=arrival.received_at, held_reason=TWO_PERSONS.reason
    )
    return TWO_PERSONS


def _add(arrival: Arrival, study: Study, revisions: dict[tuple[int, int], Revision]) -> Instance:
    key = (study.pk, arrival.route_id)
    revision = revisions.get(key) or _open_revision(study, arrival)
    revisions[key] = revision
    instance = Instance.objects.create(
        project_id=arrival.project_id,
        revision=revision,
        series_id=_series_id(study, arrival),
        ordinal=revision.total,
        **_columns(arrival),
    )
    Revision.objects.filter(pk=revision.pk).update(total=F("total") + 1, quiet_at=arrival.quiet_at)
    revision.total += 1
    return instance


def _columns(arrival: Arrival) -> dict[str, Any]:
    names = (
        "uid",
        "sop_class",
        "transfer_syntax",
        "number",
        "path",
        "size",
        "header_mac",
        "bulk_digest",
        "node_id",
    )
    return {name: getattr(arrival, name) for name in names} | {"received_at": arrival.received_at}


def _open_revision(study: Study, arrival: Arrival) -> Revision:
    """The revision that is still receiving on this route, or the study's next one."""
    standing = study.revisions.select_for_update().filter(route_id=arrival.route_id, state=RECEIVING).first()
    if standing is not None:
        return standing
    last = study.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    revision = Revision.objects.create(
        study=study,
        route_id=arrival.route_id,
        number=last + 1,
        opened_at=arrival.received_at,
        quiet_at=arrival.quiet_at,
    )
    revision.destinations.set(arrival.destination_ids)
    return revision


def _series_id(study: Study, arrival: Arrival) -> int:
    found = Series.objects.filter(study=study, uid=arrival.series_uid).values_list("pk", flat=True).first()
    if found is not None:
        return found
    return Series.objects.create(study=study, uid=arrival.series_uid, **arrival.series).pk

"""Put arrivals into the index, in batches, inside the caller's transaction.

Storing the same instance twice is as once. The same SOP Instance UID with other content is a conflict, never
an overwrite. A study's rows are locked in the order of their UIDs, so that two processes never wait for each
other in a circle.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from proxy.sql import ask, time
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


@dataclass(frozen=True, slots=True)
class Twin:
    """What of a known instance tells whether another one is the same."""

    id: int
    project_id: int
    uid: str
    transfer_syntax: str
    header_mac: str
    bulk_digest: str

    @classmethod
    def of(cls, arrival: Arrival, instance_id: int) -> "Twin":
        """An arrival of this very batch."""
        same = {name: getattr(arrival, name) for name in cls.__dataclass_fields__ if name != "id"}
        return cls(id=instance_id, **same)


TWIN = ", ".join(Twin.__dataclass_fields__)
COPIED = (
    "uid", "sop_class", "transfer_syntax", "number", "path", "size", "header_mac", "bulk_digest", "node_id",
)  # fmt: skip


def compare(known: Twin, arrival: Arrival) -> Duplicate | Conflict:
    """What a second image with a known SOP Instance UID is, by its bytes; other bytes deserve a second look."""
    if known.header_mac != arrival.header_mac:
        return OTHER_CONTENT
    if known.bulk_digest == arrival.bulk_digest:
        return Duplicate(known.id)
    return RECOMPRESSED if known.transfer_syntax != arrival.transfer_syntax else OTHER_CONTENT


def find(project_id: int, uid: str) -> Instance | None:
    return Instance.objects.filter(project_id=project_id, uid=uid).first()


def place(arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Store a batch; outcomes in the order of the arrivals. The caller's transaction makes it one commit."""
    outcomes: dict[int, Outcome] = {}
    order = sorted(range(len(arrivals)), key=lambda i: _key(arrivals[i]))
    studies = _locked_studies([arrivals[i] for i in order])
    known = {(row.project_id, row.uid): row for row in _known(arrivals)}
    for i in order:
        arrival = arrivals[i]
        twin = known.get((arrival.project_id, arrival.uid))
        if twin is not None:
            outcomes[i] = compare(twin, arrival)
        else:
            outcomes[i] = fate = _new(arrival, *studies[arrival.project_id, arrival.study_uid])
            if isinstance(fate, Stored):
                known[arrival.project_id, arrival.uid] = Twin.of(arrival, fate.instance_id)
    return [outcomes[i] for i in range(len(arrivals))]


def _key(arrival: Arrival) -> tuple[int, str, str]:
    return arrival.project_id, arrival.study_uid, arrival.uid


# What follows runs for every image. Plain SQL, because the profile said so: building the same queries through
# the ORM cost three times as much as the rest of the transaction (docs/performance.md).


def _known(arrivals: Iterable[Arrival]) -> Iterable[Twin]:
    by_project: dict[int, list[str]] = {}
    for arrival in arrivals:
        by_project.setdefault(arrival.project_id, []).append(arrival.uid)
    for project_id, uids in by_project.items():
        marks = ", ".join(["%s"] * len(uids))
        for row in ask(
            f"SELECT {TWIN} FROM studies_instance WHERE project_id = %s AND uid IN ({marks})",
            project_id,
            *uids,
        ):
            yield Twin(*row)


def _locked_studies(arrivals: Iterable[Arrival]) -> dict[tuple[int, str], tuple[int, str]]:
    """(id, patient) of the batch's studies, made where new, locked in key order until the commit."""
    rows: dict[tuple[int, str], tuple[int, str]] = {}
    for arrival in arrivals:
        key = (arrival.project_id, arrival.study_uid)
        if key not in rows:
            rows[key] = _locked_study(*key) or _made_study(arrival)
    return rows


def _locked_study(project_id: int, uid: str) -> tuple[int, str] | None:
    lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
    found = ask(
        f"SELECT id, patient FROM studies_study WHERE project_id = %s AND uid = %s{lock}", project_id, uid
    )
    return (found[0][0], found[0][1]) if found else None


def _made_study(arrival: Arrival) -> tuple[int, str]:
    """Whoever comes second waits for the first one's commit and then finds the row."""
    fresh = Study(
        project_id=arrival.project_id,
        uid=arrival.study_uid,
        patient=arrival.patient,
        received_at=arrival.received_at,
        **arrival.study,
    )
    Study.objects.bulk_create([fresh], ignore_conflicts=True)
    made = _locked_study(arrival.project_id, arrival.study_uid)
    if made is None:
        raise Study.DoesNotExist
    return made


def _new(arrival: Arrival, study_id: int, patient: str) -> Stored | Conflict:
    if patient != arrival.patient and TWO_PERSONS.code not in arrival.waived:
        return _hold(study_id, arrival)
    revision_id, ordinal = _next_place(arrival, study_id)
    columns = {
        "project_id": arrival.project_id,
        "revision_id": revision_id,
        "series_id": _series_id(arrival, study_id),
        "ordinal": ordinal,
        **{name: getattr(arrival, name) for name in COPIED},
        "received_at": time(arrival.received_at),
    }
    marks = ", ".join(["%s"] * len(columns))
    names = ", ".join(columns)
    made = ask(f"INSERT INTO studies_instance ({names}) VALUES ({marks}) RETURNING id", *columns.values())
    return Stored(made[0][0])


def _hold(study_id: int, arrival: Arrival) -> Conflict:
    rows = Study.objects.filter(pk=study_id, held_at=None)
    rows.update(held_at=arrival.received_at, held_reason=TWO_PERSONS.reason)
    return TWO_PERSONS


def _next_place(arrival: Arrival, study_id: int) -> tuple[int, int]:
    """(revision, ordinal). The update takes the revision's row: it cannot be closed before we have committed."""
    return _place_in_open(arrival, study_id) or _place_in_new(arrival, study_id)


def _place_in_open(arrival: Arrival, study_id: int) -> tuple[int, int] | None:
    taken = ask(
        "UPDATE studies_revision SET total = total + 1, quiet_at = %s"
        " WHERE study_id = %s AND route_id = %s AND state = %s RETURNING id, total - 1",
        time(arrival.quiet_at),
        study_id,
        arrival.route_id,
        RECEIVING,
    )
    return (taken[0][0], taken[0][1]) if taken else None


def _place_in_new(arrival: Arrival, study_id: int) -> tuple[int, int]:
    """The study's next revision."""
    numbers = Revision.objects.filter(study_id=study_id).order_by("-number").values_list("number", flat=True)
    revision = Revision.objects.create(
        study_id=study_id,
        route_id=arrival.route_id,
        number=(numbers.first() or 0) + 1,
        opened_at=arrival.received_at,
        quiet_at=arrival.quiet_at,
        total=1,
    )
    revision.destinations.set(arrival.destination_ids)
    return revision.pk, 0


def _series_id(arrival: Arrival, study_id: int) -> int:
    found = ask(
        "SELECT id FROM studies_series WHERE study_id = %s AND uid = %s", study_id, arrival.series_uid
    )
    if found:
        return int(found[0][0])
    return Series.objects.create(study_id=study_id, uid=arrival.series_uid, **arrival.series).pk

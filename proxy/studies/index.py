"""Put arrivals into the index, in batches, inside the caller's transaction.

Storing the same instance twice is as once. The same SOP Instance UID with other content is a conflict, never
an overwrite. A study's rows are locked in the order of their UIDs, so that two processes never wait for each
other in a circle.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

from proxy import sql
from proxy.studies import treatments
from proxy.studies.lifecycle import EXPIRED, RECEIVING
from proxy.studies.models import Instance, Series, Study

Columns = Callable[[], Mapping[str, str]]
"""What a row says besides its keys; asked for only where the row is new."""


class Arrival(NamedTuple):
    """One clean image, durable on disk, that wants to be known. All values are pseudonymous."""

    project_id: int
    route_id: int
    destination_ids: tuple[int, ...]
    node_id: int | None
    patient: str
    study_uid: str
    study: Columns
    series_uid: str
    series: Columns
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
    treatment: treatments.Said | None = None  # what de-identification did to it
    pixel_rows: str = ""
    pixel_columns: str = ""
    bits: str = ""
    frames: str = ""
    rule: str = ""  # of its route, by which its series is excluded


@dataclass(frozen=True, slots=True)
class Stored:
    instance_id: int
    again: bool = False  # it was here before, and had expired


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
CONFLICTS = frozenset({OTHER_CONTENT.code, RECOMPRESSED.code, TWO_PERSONS.code})


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


TWIN = ", ".join(f"image.{name}" for name in Twin.__dataclass_fields__)
COPIED = (
    "uid", "sop_class", "transfer_syntax", "number", "path", "size", "header_mac", "bulk_digest", "node_id",
    "pixel_rows", "pixel_columns", "bits", "frames",
)  # fmt: skip
OF_STUDY = (
    "birth_date", "sex", "date", "time", "accession", "description", "study_id", "issuer", "referring", "age",
    "patient_size", "patient_weight", "timezone", "procedure_codes",
)  # fmt: skip
OF_SERIES = (
    "modality", "number", "date", "time", "description", "body_part", "laterality", "performed_date",
    "performed_time", "performed_id", "protocol", "institution", "manufacturer", "model", "station",
    "anatomic_region", "request_attributes",
)  # fmt: skip
STUDY = ("project_id", "uid", "patient", "received_at", "held_reason", *OF_STUDY)
SERIES = ("study_id", "uid", *OF_SERIES)
REVISION = (
    "study_id", "route_id", "series_id", "number", "state", "opened_at", "quiet_at", "total", "evidence"
)  # fmt: skip
EXCLUSION = ("series_id", "route_id", "rule", "by", "comment", "made_at")
COLUMNS = ("project_id", "revision_id", "series_id", "ordinal", "received_at", "treatment_id", *COPIED)


def compare(known: Twin, arrival: Arrival) -> Duplicate | Conflict:
    """What a second image with a known SOP Instance UID is, by its bytes; other bytes deserve a second look."""
    if known.header_mac != arrival.header_mac:
        return OTHER_CONTENT
    if known.bulk_digest == arrival.bulk_digest:
        return Duplicate(known.id)
    return RECOMPRESSED if known.transfer_syntax != arrival.transfer_syntax else OTHER_CONTENT


def find(project_id: int, uid: str) -> Instance | None:
    """The image that is here; one that has expired is not."""
    here = Instance.objects.filter(project_id=project_id, uid=uid, expired=0)
    return here.exclude(revision__state=EXPIRED).first()


def is_at(instance_id: int, path: str) -> bool:
    """Whether this file is the image's own: then it is no duplicate of it."""
    return Instance.objects.filter(pk=instance_id, path=path).exists()


def place(arrivals: Sequence[Arrival]) -> list[Outcome]:
    """Store a batch; outcomes in the order of the arrivals. The caller's transaction makes it one commit."""
    studies = _locked_studies(arrivals)
    known, expired = _known(arrivals)  # once we have the locks: what others placed meanwhile is seen
    outcomes: dict[int, Outcome] = {}
    fresh: dict[Key, int] = {}
    for i, arrival in enumerate(arrivals):
        if _key(arrival) in known or _key(arrival) in fresh:
            continue
        if _is_anothers(arrival, studies[_study(arrival)]):
            outcomes[i] = _hold(studies[_study(arrival)].id, arrival)
        else:
            fresh[_key(arrival)] = i
    ids = _inserted([arrivals[i] for i in fresh.values()], studies)
    known |= {key: Twin.of(arrivals[i], ids[key]) for key, i in fresh.items()}
    outcomes |= {i: Stored(ids[key], again=key in expired) for key, i in fresh.items()}
    return [outcomes.get(i) or compare(known[_key(one)], one) for i, one in enumerate(arrivals)]


Key = tuple[int, str]


@dataclass(slots=True)
class Place:
    """A study of the batch, locked until the commit."""

    id: int
    patient: str
    excludes: bool = False  # a series of it, once
    series: dict[str, "Line"] = field(default_factory=dict)  # by UID, those that have been looked up


@dataclass(slots=True)
class Line:
    """A series of a study of the batch."""

    id: int
    aside: dict[int, bool] = field(default_factory=dict)  # by route, those that have been looked up


Studies = Mapping[Key, Place]


def _key(arrival: Arrival) -> Key:
    return arrival.project_id, arrival.uid


def _study(arrival: Arrival) -> Key:
    return arrival.project_id, arrival.study_uid


def _is_anothers(arrival: Arrival, study: Place) -> bool:
    return study.patient != arrival.patient and TWO_PERSONS.code not in arrival.waived


# What follows runs for every image: few statements, each for as much of the batch as it can.


def _known(arrivals: Iterable[Arrival]) -> tuple[dict[Key, Twin], set[Key]]:
    """Those that are here, and which others were. The place of what has expired is free when this returns."""
    by_project: dict[int, list[str]] = {}
    for arrival in arrivals:
        by_project.setdefault(arrival.project_id, []).append(arrival.uid)
    rows = list(chain.from_iterable(_twins(project_id, uids) for project_id, uids in by_project.items()))
    for twin, is_over, number in rows:
        if is_over and not number:
            sql.ask("UPDATE studies_instance SET expired = id WHERE id = %s AND expired = 0", twin.id)
    known = {(twin.project_id, twin.uid): twin for twin, is_over, _ in rows if not is_over}
    return known, {(twin.project_id, twin.uid) for twin, is_over, _ in rows if is_over}


def _twins(project_id: int, uids: Sequence[str]) -> Iterator[tuple[Twin, bool, int]]:
    """With whether it has expired, and whether its row says so already: its revision is the first to."""
    statement = (
        f"SELECT {TWIN}, revision.state, image.expired FROM studies_instance image"
        " JOIN studies_revision revision ON revision.id = image.revision_id"
        f" WHERE image.project_id = %s AND image.uid IN ({sql.marks(uids)})"
    )
    for *row, state, number in sql.ask(statement, project_id, *uids):
        yield Twin(*row), state == EXPIRED, number


def _locked_studies(arrivals: Iterable[Arrival]) -> dict[Key, Place]:
    """The batch's studies, made where new, locked in key order until the commit."""
    studies: dict[Key, Place] = {}
    for arrival in sorted(arrivals, key=_study):
        key = _study(arrival)
        if key not in studies:
            studies[key] = _locked_study(arrival) or _made_study(arrival)
    return studies


def _locked_study(arrival: Arrival) -> Place | None:
    """With the series of this arrival, so that one statement does for most batches.

    Of the study's own row a database that waited for the lock gives what stands there now; of the series' row it may
    give what stood there before it waited.
    """
    found = sql.ask(
        "SELECT study.id, study.patient, study.excludes, series.id FROM studies_study study"
        " LEFT JOIN studies_series series ON series.study_id = study.id AND series.uid = %s"
        f" WHERE study.project_id = %s AND study.uid = %s {sql.lock('FOR UPDATE OF study')}",
        arrival.series_uid,
        arrival.project_id,
        arrival.study_uid,
    )
    if not found:
        return None
    study_id, patient, excludes, series_id = found[0]
    return Place(
        study_id, patient, excludes, {} if series_id is None else {arrival.series_uid: Line(series_id)}
    )


def _made_study(arrival: Arrival) -> Place:
    """Whoever comes second waits for the first one's commit and then finds the row."""
    row = (
        arrival.project_id, arrival.study_uid, arrival.patient, sql.time(arrival.received_at), "",
        *_said(arrival.study, OF_STUDY),
    )  # fmt: skip
    sql.insert_many("studies_study", STUDY, [row], on_conflict="ON CONFLICT DO NOTHING")
    made = _locked_study(arrival)
    if made is None:
        raise Study.DoesNotExist
    return made


def _said(columns: Columns, names: Sequence[str]) -> Iterator[str]:
    said = columns()
    return (said.get(name, "") for name in names)


def _hold(study_id: int, arrival: Arrival) -> Conflict:
    rows = Study.objects.filter(pk=study_id, held_at=None)
    rows.update(held_at=arrival.received_at, held_reason=TWO_PERSONS.reason)
    return TWO_PERSONS


def _inserted(fresh: Sequence[Arrival], studies: Studies) -> dict[Key, int]:
    """Their ids."""
    rows: list[tuple[Any, ...]] = []
    treatments.keep([arrival.treatment for arrival in fresh if arrival.treatment])
    placed = [(_revision(arrival, studies[_study(arrival)]), arrival) for arrival in fresh]
    for (study_key, _, aside), group in groupby(sorted(placed, key=itemgetter(0)), key=itemgetter(0)):
        rows += _rows(studies[study_key], aside or None, [arrival for _, arrival in group])
    made = sql.insert_many("studies_instance", COLUMNS, rows, returning="project_id, uid, id")
    return {(project_id, uid): instance_id for project_id, uid, instance_id in made}


def _revision(arrival: Arrival, study: Place) -> tuple[Key, int, int]:
    """What those have in common that go into one revision; the last is the series if it is set aside, else 0."""
    line = _series(study, arrival)
    return _study(arrival), arrival.route_id, line.id if _is_aside(study, line, arrival) else 0


def _rows(study: Place, aside: int | None, group: Sequence[Arrival]) -> Iterator[tuple[Any, ...]]:
    """Of arrivals that go into one revision."""
    place = study.id, aside
    revision_id, ordinal = _places_in_open(place, group) or _places_in_new(place, group)
    for number, arrival in enumerate(group, ordinal):
        at, series_id = sql.time(arrival.received_at), study.series[arrival.series_uid].id
        treated = arrival.treatment.digest if arrival.treatment else None
        yield arrival.project_id, revision_id, series_id, number, at, treated, *_copied(arrival)


_copied = attrgetter(*COPIED)


def _places_in_open(place: tuple[int, int | None], group: Sequence[Arrival]) -> tuple[int, int] | None:
    """(revision, first ordinal). The update takes the revision's row: it cannot be closed before we have committed.

    The state stands in the statement, because SQLite plans a partial index anew for each value that it is given.
    """
    study_id, aside = place
    whose, values = ("series_id IS NULL", ()) if aside is None else ("series_id = %s", (aside,))
    taken = sql.ask(
        "UPDATE studies_revision SET total = total + %s, quiet_at = %s"
        f" WHERE study_id = %s AND route_id = %s AND state = '{RECEIVING}' AND {whose} RETURNING id, total",
        len(group),
        sql.time(max(arrival.quiet_at for arrival in group)),
        study_id,
        group[0].route_id,
        *values,
    )
    return (taken[0][0], taken[0][1] - len(group)) if taken else None


def _places_in_new(place: tuple[int, int | None], group: Sequence[Arrival]) -> tuple[int, int]:
    """The study's next revision."""
    (study_id, aside), first = place, group[0]
    [(last,)] = sql.ask("SELECT max(number) FROM studies_revision WHERE study_id = %s", study_id)
    quiet_at = sql.time(max(arrival.quiet_at for arrival in group))
    row = (
        study_id,
        first.route_id,
        aside,
        (last or 0) + 1,
        RECEIVING,
        sql.time(first.received_at),
        quiet_at,
        len(group),
        "",
    )
    [(revision_id,)] = sql.insert_many("studies_revision", REVISION, [row], returning="id")
    bound = [(revision_id, destination_id) for destination_id in dict.fromkeys(first.destination_ids)]
    sql.insert_many("studies_revision_destinations", ("revision_id", "destination_id"), bound)
    return revision_id, 0


def _series(study: Place, arrival: Arrival) -> Line:
    """Looked up under the study's lock: another process may have made it while we waited for that."""
    known = study.series.get(arrival.series_uid)
    if known is None:
        question = "SELECT id FROM studies_series WHERE study_id = %s AND uid = %s"
        found = sql.ask(question, study.id, arrival.series_uid) or _made_series(study, arrival)
        known = study.series.setdefault(arrival.series_uid, Line(*found[0]))
    return known


def _made_series(study: Place, arrival: Arrival) -> list[sql.Row]:
    row = study.id, arrival.series_uid, *_said(arrival.series, OF_SERIES)
    return sql.insert_many("studies_series", SERIES, [row], returning="id")


# --- series that are excluded -----------------------------------------------------------------------------


def _is_aside(study: Place, line: Line, arrival: Arrival) -> bool:
    """What was decided once holds, whatever became of the rule, until a person decides again."""
    if not study.excludes and not arrival.rule:
        return False
    if arrival.route_id not in line.aside:
        decided = sql.ask(DECIDED, line.id, arrival.route_id)
        stands = any(one for (one,) in decided) if decided else _exclude(study, line, arrival)
        line.aside[arrival.route_id] = stands
    return line.aside[arrival.route_id]


DECIDED = (
    "SELECT lifted_at IS NULL FROM studies_exclusion WHERE series_id = %s AND (route_id = %s OR rule = '')"
)
"""By this route's rule, or by a person, who speaks for all routes."""


def _exclude(study: Place, line: Line, arrival: Arrival) -> bool:
    if arrival.rule:
        row = (line.id, arrival.route_id, arrival.rule, "", "", sql.time(arrival.received_at))
        sql.insert_many("studies_exclusion", EXCLUSION, [row])
        Series.objects.filter(pk=line.id).update(excluded=True)
        Study.objects.filter(pk=study.id).update(excludes=True)
        study.excludes = True
    return bool(arrival.rule)

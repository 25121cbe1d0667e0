"""The index as a node of the identified view sees it: with real values, under its standing grant.

Equality goes by the vault's keyed index where there is one: Patient IDs and UIDs. Names are compared with those of the
persons in view, days with what each person's shift makes of them (`moved.py`), and everything else with what the seals
say. Of what was decrypted some is kept for minutes. A person who was forgotten is not in sight, nor is an image whose
seal is gone.
Everybody who is answered leaves a mark before the answer leaves.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Exists, Min, OuterRef, Q, QuerySet

from proxy.retrieval.persons import bearers
from proxy.retrieval.query import moved, narrowing, ready, sealed
from proxy.retrieval.query.attributes import BY_KEYWORD, IMAGE, PATIENT, SERIES, STUDY, UNIQUE_KEYS, Attribute
from proxy.retrieval.query.matching import Between, Days, Exactly, Matcher, Moments
from proxy.retrieval.query.rows import KEYS, Row
from proxy.retrieval.views import View
from proxy.retrieval.visible import of_revision
from proxy.studies.models import Instance
from proxy.vault import studykeys, uids
from proxy.vault.models import Person
from proxy.vault.reidentify import Identity, Look
from proxy.vault.remembered import Remembered

OF_PERSONS: Final = frozenset({"PatientID", "PatientName", "IssuerOfPatientID"})
UNCHANGED: Final = frozenset(
    {
        "Modality", "SOPClassUID", "AvailableTransferSyntaxUID", "Rows", "Columns", "BitsAllocated",
        "NumberOfFrames",
    }
)  # fmt: skip
MAPPED: Final = frozenset({"StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"})
Speaker = tuple[int, str]  # project and pseudonymous SOP Instance UID

MOST_SPEAKING: Final = 10_000
_said: Remembered[Speaker, Mapping[str, str]] = Remembered(20_000, 300.0)


@dataclass(frozen=True, slots=True, repr=False)
class Identified:
    """For one query."""

    view: View
    look: Look
    _given: set[str] = field(default_factory=set)
    _marked: set[tuple[int, str]] = field(default_factory=set)
    _speaking: dict[int, Speaker] = field(default_factory=dict)  # whom rows were asked about before

    # --- which rows may match -----------------------------------------------------------------------

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        if self.settles(attribute.keyword, matcher):
            return Q(**{f"{column}__among": sorted(self._bearers(attribute.keyword, matcher))})
        if attribute.keyword in ("PatientID", "PatientName"):
            return narrowing.among(self._bearers(attribute.keyword, matcher), column)
        if attribute.keyword in MAPPED and isinstance(matcher, Exactly):
            return narrowing.among(self._names(matcher.values), column)
        if attribute.keyword == "AccessionNumber" and isinstance(matcher, Exactly):
            return narrowing.among(
                self._studies(matcher.values), column.removesuffix(attribute.column) + "uid"
            )
        if isinstance(matcher, Days):
            return narrowing.any_of(moved.within(one, attribute, column) for one in matcher.ranges)
        return narrowing.narrowed(matcher, column) if attribute.keyword in UNCHANGED else Q()

    def settles(self, keyword: str, matcher: Matcher) -> bool:
        """Whom the hospital found to be one bears each of their IDs."""
        return keyword == "PatientID" and isinstance(matcher, Exactly)

    def joint(self, moments: Moments, column: str) -> Q:
        return moved.wide(Between(moments.range.first[:8], moments.range.last[:8]), column)

    @staticmethod
    def in_sight(level: str) -> Q:
        if level == PATIENT:
            return Q(forgotten_at=None)
        keys = KEYS[level]
        living = Person.objects.filter(project_id=OuterRef(keys.project), pseudonym=OuterRef(keys.patient))
        return Q(Exists(living.filter(forgotten_at=None)))

    def _bearers(self, keyword: str, matcher: Matcher) -> set[str]:
        if keyword == "PatientID" and isinstance(matcher, Exactly):
            return {one for value in matcher.values for one in bearers(self.view, value, "")}
        return {
            identity.pseudonym
            for project_id in self.look.projects
            for identity in self.look.identities(project_id)
            if matcher.matches(_of_person(identity)[keyword])
        }

    def _studies(self, accessions: Collection[str]) -> set[str]:
        return {
            uid for project_id in self.look.projects for uid in studykeys.studies_of(project_id, accessions)
        }

    def _names(self, originals: Collection[str]) -> set[str]:
        return {name for project_id in self.look.projects for name in uids.names_of(project_id, originals)}

    # --- what they say ------------------------------------------------------------------------------

    def seen(self, level: str, found: Sequence[Row], keywords: Collection[str]) -> Iterable[Row]:
        if not OF_PERSONS.isdisjoint(keywords):
            found = self._with_persons(found)
        if all(BY_KEYWORD[one].is_computed or one in OF_PERSONS | UNCHANGED for one in keywords):
            return found
        return self._with_originals(level, found)

    def _with_persons(self, found: Sequence[Row]) -> list[Row]:
        wanted: dict[int, set[str]] = defaultdict(set)
        for row in found:
            wanted[row.project_id].add(row.patient)
        known = {
            (project_id, identity.pseudonym): identity
            for project_id, some in wanted.items()
            for identity in self.look.identities(project_id, some)
        }
        there = [row for row in found if (row.project_id, row.patient) in known]
        for row in there:
            said = _of_person(known[row.project_id, row.patient])
            row.values.update((key, said[key]) for key in OF_PERSONS & row.values.keys())
        return there

    def _with_originals(self, level: str, found: Sequence[Row]) -> list[Row]:
        speakers = self._speakers(level, found)
        said = self._said({speakers[row.pk] for row in found if row.pk in speakers})
        there = [row for row in found if speakers.get(row.pk) in said]
        for row in there:
            originals = said[speakers[row.pk]]
            row.values.update(
                (key, sealed.original(key, row.values[key], originals[key]))
                for key in row.values.keys() & originals.keys() - OF_PERSONS
            )
        return there

    def _speakers(self, level: str, found: Sequence[Row]) -> Mapping[int, Speaker]:
        """A row is looked at twice, when it matches and when it is answered."""
        if len(self._speaking) > MOST_SPEAKING:
            self._speaking.clear()
        if fresh := [row for row in found if row.pk not in self._speaking]:
            self._speaking.update(_speakers(level, fresh))
        return self._speaking

    def _said(self, speakers: Iterable[Speaker]) -> dict[Speaker, Mapping[str, str]]:
        known = {one: _said.get(one) for one in speakers}
        missing: dict[int, list[str]] = defaultdict(list)
        for (project_id, uid), values in known.items():
            if values is None:
                missing[project_id].append(uid)
        for project_id, some in missing.items():
            for uid, plain in self.look.seals(project_id, some):
                known[project_id, uid] = values = sealed.originals(plain)
                _said.put((project_id, uid), values)
        return {one: values for one, values in known.items() if values is not None}

    # --- answers ------------------------------------------------------------------------------------

    def shown(self, level: str, found: Sequence[Row]) -> list[Row]:
        """What two projects have of one original is one answer."""
        unique = UNIQUE_KEYS[level].keyword
        fresh = []
        for row in found:
            if row.values[unique] not in self._given:
                self._given.add(row.values[unique])
                fresh.append(row)
        persons = {(row.project_id, row.patient) for row in fresh} - self._marked
        if persons:
            self.look.mark(persons)
            self._marked.update(persons)
        return fresh

    def over(self) -> None:
        self.look.over()


def _of_person(identity: Identity) -> dict[str, str]:
    name = identity.values.get("name", "")
    return {
        "PatientID": identity.patient_id.strip(),
        "PatientName": name,
        "IssuerOfPatientID": identity.issuer,
    }


# --- whose seal speaks for a row ------------------------------------------------------------------------


def _speakers(level: str, found: Sequence[Row]) -> dict[int, Speaker]:
    """By the row's number: an image speaks for itself, the first one for its series, study or patient."""
    keys = [row.pk for row in found]
    if level == IMAGE:
        return _named(keys)
    if level == PATIENT:
        return _of_patients(found)
    path = {SERIES: "series_id", STUDY: "series__study_id"}[level]
    first: dict[int, int] = dict(ready.rows(_first_of, (path,), Q(**{f"{path}__among": keys})))
    named = _named(first.values())
    return {one: named[pk] for one, pk in first.items() if pk in named}


def _of_patients(found: Sequence[Row]) -> dict[int, Speaker]:
    theirs = Q(series__study__patient__among={row.patient for row in found})
    mine = Q(project_id__among={row.project_id for row in found})
    rows = ready.rows(_first_of, ("project_id", "series__study__patient"), theirs & mine)
    first = {(project_id, patient): pk for project_id, patient, pk in rows}
    named = _named(first.values())
    keyed = {row.pk: first.get((row.project_id, row.patient)) for row in found}
    return {row: named[pk] for row, pk in keyed.items() if pk in named}


def _first_of(*columns_and_where: Any) -> "QuerySet[Any]":
    """The number of the first image of each of what these columns say."""
    *columns, where = columns_and_where
    return Instance.objects.filter(of_revision(), where).values_list(*columns).annotate(Min("pk"))


def _named(pks: Iterable[int]) -> dict[int, Speaker]:
    found = ready.rows(_names, (), Q(pk__among=list(pks)))
    return {pk: (project_id, uid) for pk, project_id, uid in found}


def _names(where: Q) -> "QuerySet[Any]":
    return Instance.objects.filter(where).values_list("pk", "project_id", "uid")

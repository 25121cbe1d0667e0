"""Which study a result belongs to; what it mentions was looked up by the caller. On a contradiction nobody guesses.

References to instances are the surest word, then series, study, frame of reference, and last the pseudonym alone. A
result may mention several studies of one patient (a comparison with an earlier one): then its own Study Instance UID
says to which of them it belongs.
"""

import re
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from proxy.deid.context import Hold
from proxy.deid.homeward.mentions import Mentions

UNKNOWN: Final = Hold("home-unknown", "This result refers to nothing that is known in this project.")
TWO_PATIENTS: Final = Hold(
    "home-two-patients", "What this result says and refers to is of more than one patient."
)
TWO_STUDIES: Final = Hold(
    "home-two-studies", "This result refers to several studies and does not say to which of them it belongs."
)
AMBIGUOUS: Final = Hold("home-ambiguous", "This result says of whom it is, but nothing says of which study.")
FORGOTTEN: Final = Hold(
    "home-forgotten", "This result is of somebody who was forgotten: nothing leads back any more."
)

_PSEUDONYM: Final = re.compile(r"ANON-[A-Z2-7]{16}")


@dataclass(frozen=True, slots=True)
class Place:
    """A study of a patient, both by their pseudonyms."""

    patient: str
    study: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of the UIDs that a result mentions."""

    instances: Mapping[str, Place] = field(default_factory=dict)
    series: Mapping[str, Place] = field(default_factory=dict)
    studies: Mapping[str, Place] = field(default_factory=dict)
    others: Set[str] = frozenset()  # patients of what it mentions and whose study is not known here
    frames: Set[str] = frozenset()  # patients who have one of its frames of reference
    is_known: bool = False  # whether its Patient ID is a pseudonym of this project
    forgotten: Set[str] = frozenset()  # of all these patients, those whom we have forgotten
    persons: Mapping[str, str] = field(default_factory=dict)  # of patients that are one: the name they share
    studies_of: Mapping[str, Collection[Place]] = field(
        default_factory=dict
    )  # of persons found without a study

    def person(self, patient: str) -> str:
        return self.persons.get(patient, patient)


@dataclass(frozen=True, slots=True)
class Match:
    place: Place
    certainty: str  # instances, series, study, frame, patient


def decide(result: Mentions, found: Found) -> Match | Hold:
    if found.forgotten:
        return FORGOTTEN
    claimed = {found.person(result.patient)} if found.is_known else set()
    levels = (found.instances, found.series, found.studies)
    placed = {place.patient for level in levels for place in level.values()}
    named = {found.person(patient) for patient in placed | found.others}
    if len(named | claimed) > 1 or (named and not claimed and _PSEUDONYM.fullmatch(result.patient)):
        return TWO_PATIENTS
    if placed:
        return _by_study(result, found)
    return _by_patient(claimed | named, found)


def _by_study(result: Mentions, found: Found) -> Match | Hold:
    levels = (("instances", found.instances), ("series", found.series), ("study", found.studies))
    certainty, places = next((name, set(level.values())) for name, level in levels if level)
    own = found.studies.get(result.study)
    if own is not None:
        return Match(own, certainty) if own in places else TWO_STUDIES
    return Match(places.pop(), certainty) if len(places) == 1 else TWO_STUDIES


def _by_patient(claimed: Set[str], found: Found) -> Match | Hold:
    """A frame of reference may be shared (an atlas): it must not contradict the Patient ID."""
    framed = {found.person(patient) for patient in found.frames}
    if claimed and framed and not claimed & framed:
        return TWO_PATIENTS
    patients = (claimed & framed) or claimed or framed
    if not patients:
        return UNKNOWN
    if len(patients) > 1:
        return AMBIGUOUS
    [patient] = patients
    studies = list(found.studies_of.get(patient, ()))
    certainty = "frame" if framed else "patient"
    return Match(studies[0], certainty) if len(studies) == 1 else AMBIGUOUS

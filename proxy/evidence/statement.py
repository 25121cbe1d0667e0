"""From what is known of a released revision to what is stated about it: plain values in, plain JSON out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from proxy.evidence.looking import Header
from proxy.evidence.signing import FORMAT, Statement

UNKNOWN: Final = "unknown"  # the treatment of an image that an earlier version received
NOTE: Final = (
    "Pseudonymization: whoever holds the keys can find the persons again. `actions` counts per attribute what was done,"
    " nested elements included; `hunted` counts elements from which a value of the patient was cut, and an image in"
    " whose finished header one was left is never released. `looks` are made at one file of each series and"
    " treatment; `sha256` is of every file."
)


@dataclass(frozen=True, slots=True)
class Released:
    """A revision that was released. Times in ISO 8601, UIDs and the patient pseudonymous."""

    project: str
    patient: str
    study_uid: str
    revision: int
    released_at: str
    review: bool
    completeness: str  # how sure it was that all of the study was here


@dataclass(frozen=True, slots=True)
class Image:
    """`sha256` is empty for a file that could not be read any more."""

    series_uid: str
    uid: str
    sop_class: str
    treatment: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LookedAt:
    image: Image
    header: Header | None


def state(
    released: Released,
    images: Sequence[Image],
    treatments: Mapping[str, Mapping[str, Any]],
    looks: Iterable[LookedAt],
    software: str,
    made_at: str,
) -> Statement:
    counts = Counter(image.treatment for image in images)
    return {
        "format": FORMAT,
        "software": {"name": "Postern", "version": software},
        "made_at": made_at,
        "note": NOTE,
        "study": {**asdict(released), "images": len(images)},
        "treatments": {
            digest: {**treatments.get(digest, {}), "images": count}
            for digest, count in sorted(counts.items())
        },
        "looks": [_look(one, treatments) for one in looks],
        "images": [asdict(image) for image in images],
    }


def _look(one: LookedAt, treatments: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    where = {"series_uid": one.image.series_uid, "uid": one.image.uid}
    if one.header is None:
        return {**where, "readable": False}
    touched = treatments.get(one.image.treatment, {}).get("actions", {})
    without = one.header.without_value
    return {
        **where,
        "readable": True,
        "patient_identity_removed": one.header.marked,
        "pseudonym_only": one.header.pseudonymous,
        "type_1_without_value": {
            "as_received": [tag for tag in without if tag not in touched],
            "changed_here": [tag for tag in without if tag in touched],
        },
    }

"""Who somebody is, told to a user of the backend: whether they may, the look with its marks, the words of the answer.

`whose` finds and opens, `vault.reidentify` refuses and marks; here is only what this door adds: that a role must have
been given a right on site, and which refusal it is in terms of HTTP.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone

from proxy.api.problems import Problem
from proxy.audit import recent
from proxy.backend import rights
from proxy.backend.users import BackendUser
from proxy.retrieval import whose
from proxy.retrieval.askers import asker
from proxy.retrieval.query.attributes import PATIENT, SERIES, STUDY
from proxy.retrieval.whose import Original, Place
from proxy.routing.models import Project
from proxy.vault.reidentify import (
    VIEW,
    NotAllowed,
    Principal,
    TooMany,
    Unapproved,
    allowed,
    looking_among,
)

HOUR: Final = timedelta(hours=1)
NO_RIGHT: Final = "Neither you nor your role may see identities here; somebody on site can give the right."
TOO_MANY_AT_ONCE: Final = "These are more persons than you may look up within an hour; ask for fewer at once."
LIMIT: Final = "You have looked up as many persons as you may within an hour; wait."


def told(
    user: BackendUser, level: str, names: Sequence[str], purpose: str, *, deep: bool = False
) -> list[Original]:
    """Of those that are known, in the order of the names; `deep`: with the patient and all series of each study.

    Raises Problem. Whatever comes of it has left its mark.
    """
    who, projects = _principal(user)
    found = whose.places(level, list(dict.fromkeys(names)), projects)
    asked = [*found, *_beside(found)] if deep else found
    try:
        if not projects:
            allowed(who, VIEW, f"a {level.lower()}", 0, purpose)
        about = {"asked": level.lower(), "count": len(names), "over": "api"}
        look = looking_among(who, {one.project_id for one in found}, purpose, about)
        try:
            return whose.originals(look, asked)
        finally:
            look.over()
    except NotAllowed as refused:
        raise _refusal(refused, who, {one.patient for one in found}) from None


def _principal(user: BackendUser) -> tuple[Principal, frozenset[int]]:
    projects = rights.projects_of(user, timezone.now().date())
    who = asker(str(user), lambda permission: permission == VIEW and bool(projects), user.account)
    return who, projects


def _beside(studies: Sequence[Place]) -> list[Place]:
    """Their patients, and all of their series."""
    patients = [
        one for study in studies for one in whose.places(PATIENT, [study.patient], [study.project_id])
    ]
    return [*patients, *(one for study in studies for one in whose.series_of(study))]


def _refusal(refused: NotAllowed, who: Principal, patients: Collection[str]) -> Problem:
    if isinstance(refused, TooMany):
        return too_many(who.name, patients, who.account)
    if isinstance(refused, Unapproved):
        return Problem(403, "approval-needed", str(refused))
    return Problem(403, "no-right", NO_RIGHT)


def too_many(name: str, patients: Collection[str] = (), account: str = "") -> Problem:
    """When both of the vault's conditions will hold: that there is room at all, and that there is for all of these."""
    now, most = timezone.now(), settings.IDENTITY_PERSONS_PER_HOUR
    if len(patients) > most:
        return Problem(403, "too-many-persons", TOO_MANY_AT_ONCE)
    rooms = (
        recent.room_at(name, now - HOUR, most - 1, account=account),
        recent.room_at(name, now - HOUR, most - len(patients), patients, account),
    )
    last = max((one for one in rooms if one is not None), default=now - HOUR)
    return Problem(429, "too-many-persons", LIMIT, (last + HOUR - now).total_seconds())


# --- words ----------------------------------------------------------------------------------------


def projects_named(found: Sequence[Original]) -> dict[int, str]:
    numbers = {one.place.project_id for one in found}
    return dict(Project.objects.filter(pk__in=numbers).values_list("pk", "name"))


def as_patient(one: Original, project: str) -> dict[str, Any]:
    return {
        "anonymous_patient_id": one.place.patient,
        "anonymous_patient_name": one.place.patient,
        **_person(one, project),
        "patient_phi": dict(one.values),
    }


def as_study(one: Original, project: str) -> dict[str, Any]:
    index = one.place.index
    return {
        "study_instance_uid": one.place.name,
        "patient_id": one.place.patient,
        "patient_name": one.place.patient,
        "study_date": index["StudyDate"],
        "study_time": index["StudyTime"],
        "study_description": index["StudyDescription"],
        "accession_number": index["AccessionNumber"],
        **_person(one, project),
        "study_phi": dict(one.values),
    }


def as_series(one: Original, project: str) -> dict[str, Any]:
    return {**_of_series(one), **_person(one, project), "series_phi": dict(one.values)}


def as_whole(found: Sequence[Original], project: str) -> dict[str, Any]:
    """A study with its patient and its series, in one answer."""
    study = next(one for one in found if one.place.level == STUDY)
    of_patient = next((one.values for one in found if one.place.level == PATIENT), {})
    series = [one for one in found if one.place.level == SERIES and one.place.study == study.place.pk]
    return {
        **as_study(study, project),
        "patient_phi": dict(of_patient),
        "series_phi": [{**_of_series(one), "phi_metadata": dict(one.values)} for one in series],
        "series_count": len(series),
    }


def _of_series(one: Original) -> dict[str, Any]:
    index = one.place.index
    return {
        "series_instance_uid": one.place.name,
        "series_number": index["SeriesNumber"],
        "modality": index["Modality"],
        "series_description": index["SeriesDescription"],
    }


def _person(one: Original, project: str) -> dict[str, Any]:
    return {
        "original_patient_id": one.identity.patient_id.strip(),
        "original_patient_name": one.identity.values.get("name", ""),
        "issuer_of_patient_id": one.identity.issuer,
        "project": project,
    }

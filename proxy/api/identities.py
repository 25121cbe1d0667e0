"""`POST /api/phi-metadata/...`: who is behind a pseudonym, for a user of the backend with a right and a purpose.

Asked in a body and answered in one: no address, header, log or error holds anything. Where others could read along on
the way, nothing is asked of the vault.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from django.conf import settings
from drf_spectacular.utils import extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import answers, asked, bodies, telling
from proxy.api.answers import described
from proxy.api.authentication import UserToken
from proxy.api.doors import Door, caller
from proxy.api.permissions import Somebody
from proxy.api.problems import Problem
from proxy.backend.users import BackendUser
from proxy.retrieval.query.attributes import PATIENT, SERIES, STUDY
from proxy.retrieval.whose import Original

NOTHING: Final = "Nothing of that name is known where you may look, or the person was forgotten."
IN_CLEAR: Final = (
    "Identities are answered over https only; docs/api.md says what a web server in front has to say."
)
Words = Callable[[Original, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a door is asked with, by which field, of which level, and in which words it answers."""

    form: Any
    field: str
    level: str
    words: Words


def refuse_in_clear(request: Request) -> None:
    """Raises Problem where others could read along."""
    if not (settings.API_IDENTITIES_BY_HTTP or caller(request).is_private):
        raise Problem(403, "in-clear", IN_CLEAR)


class Identities(Door):
    authentication_classes: Any = (UserToken,)
    permission_classes: Any = (Somebody,)
    kind: Kind

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        refuse_in_clear(request)
        super().initial(request, *args, **kwargs)

    def wish(self, request: Request) -> tuple[Any, str]:
        """What is asked for, and for which purpose."""
        said = bodies.taken(
            self.kind.form, request, is_all=False
        )  # all is required, so nothing can be misspelt
        return said[self.kind.field], said["purpose"]

    def who(self, request: Request) -> BackendUser:
        return cast(
            "BackendUser", request.user
        )  # `UserToken` says so; the framework's types know only Django's

    def said(self, found: Sequence[Original]) -> list[dict[str, Any]]:
        projects = telling.projects_named(found)
        return [self.kind.words(one, projects[one.place.project_id]) for one in found]


class One(Identities):
    def post(self, request: Request) -> Response:
        """Who it is, and what it was."""
        name, purpose = self.wish(request)
        found = telling.told(self.who(request), self.kind.level, [name], purpose)
        if not found:
            raise Problem(404, "not-found", NOTHING)
        return Response(self.said(found[:1])[0])


class Many(Identities):
    def post(self, request: Request) -> Response:
        """As one by one; what is not known is listed."""
        names, purpose = self.wish(request)
        found = telling.told(self.who(request), self.kind.level, names, purpose)
        known = {one.place.name for one in found}
        missing = [name for name in dict.fromkeys(names) if name not in known]
        answer = {
            "results": self.said(found),
            "total": len(found),
            "requested": len(names),
            "not_found": missing,
        }
        return Response(answer)


class Whole(Identities):
    """`/api/phi-metadata/`: a study with its patient and all of its series."""

    kind = Kind(asked.OneStudy, "study_instance_uid", STUDY, telling.as_study)

    @described(answers.WholeAnswer, asked.OneStudy, codes=answers.ONE)
    def post(self, request: Request) -> Response:
        """A study with its patient and all of its series, as they were."""
        name, purpose = self.wish(request)
        found = telling.told(self.who(request), STUDY, [name], purpose, deep=True)
        if not any(one.place.level == STUDY for one in found):
            raise Problem(404, "not-found", NOTHING)
        study = next(one for one in found if one.place.level == STUDY)
        mine = [one for one in found if one.place.project_id == study.place.project_id]
        return Response(telling.as_whole(mine, telling.projects_named(mine)[study.place.project_id]))


@extend_schema_view(post=described(answers.PatientAnswer, asked.OnePatient, codes=answers.ONE))
class Patient(One):
    kind = Kind(asked.OnePatient, "anonymous_patient_id", PATIENT, telling.as_patient)


@extend_schema_view(post=described(answers.StudyAnswer, asked.OneStudy, codes=answers.ONE))
class Study(One):
    kind = Kind(asked.OneStudy, "study_instance_uid", STUDY, telling.as_study)


@extend_schema_view(post=described(answers.SeriesAnswer, asked.OneSeries, codes=answers.ONE))
class Series(One):
    kind = Kind(asked.OneSeries, "series_instance_uid", SERIES, telling.as_series)


@extend_schema_view(post=described(answers.PatientsAnswer, asked.ManyPatients, codes=answers.MANY))
class Patients(Many):
    kind = Kind(asked.ManyPatients, "anonymous_patient_ids", PATIENT, telling.as_patient)


@extend_schema_view(post=described(answers.StudiesAnswer, asked.ManyStudies, codes=answers.MANY))
class Studies(Many):
    kind = Kind(asked.ManyStudies, "study_instance_uids", STUDY, telling.as_study)


@extend_schema_view(post=described(answers.SeriesBatchAnswer, asked.ManySeries, codes=answers.MANY))
class SeriesMany(Many):
    kind = Kind(asked.ManySeries, "series_instance_uids", SERIES, telling.as_series)

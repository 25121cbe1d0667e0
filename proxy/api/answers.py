"""What comes back, described for docs (OpenAPI). Nothing is made by these: the doors say plain values."""

from collections.abc import Sequence
from typing import Any, Final

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers

from proxy.api.problems import MEDIA_TYPE


def _words(help_text: str) -> Any:
    return serializers.DictField(child=serializers.CharField(), help_text=help_text)


class WrongField(serializers.Serializer[Any]):
    field = serializers.CharField()
    code = serializers.CharField()
    why = serializers.CharField()


class ProblemDocument(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="For programs.")
    detail = serializers.CharField(help_text="A sentence for people.")
    errors: Any = WrongField(many=True, required=False)


class HealthAnswer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["healthy", "unhealthy"])
    service = serializers.CharField()
    checks = _words("ok or failing, by part.")


class UserAnswer(serializers.Serializer[Any]):
    user_id = serializers.CharField()
    name = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    identity_projects = serializers.IntegerField(help_text="In how many projects they may see identities.")


class StatusAnswer(HealthAnswer):
    version = serializers.CharField()
    timestamp = serializers.DateTimeField()
    user = UserAnswer(allow_null=True)
    proxy = serializers.DictField()
    dicom = serializers.DictField()
    nodes = serializers.DictField(child=serializers.IntegerField())
    database = serializers.DictField(child=serializers.IntegerField())
    deliveries = serializers.DictField(child=serializers.IntegerField())
    quarantine = serializers.IntegerField()


class Person(serializers.Serializer[Any]):
    original_patient_id = serializers.CharField()
    original_patient_name = serializers.CharField()
    issuer_of_patient_id = serializers.CharField()
    project = serializers.CharField()


class PatientAnswer(Person):
    anonymous_patient_id = serializers.CharField()
    anonymous_patient_name = serializers.CharField()
    patient_phi = _words("Attributes by keyword, as they were.")


class StudyAnswer(Person):
    study_instance_uid = serializers.CharField()
    patient_id = serializers.CharField(help_text="The pseudonym.")
    patient_name = serializers.CharField(help_text="The pseudonym.")
    study_date = serializers.CharField(help_text="Of the clean images, like the three that follow.")
    study_time = serializers.CharField()
    study_description = serializers.CharField()
    accession_number = serializers.CharField()
    study_phi = _words("Attributes by keyword, as they were.")


class SeriesFacts(serializers.Serializer[Any]):
    series_instance_uid = serializers.CharField()
    series_number = serializers.CharField()
    modality = serializers.CharField()
    series_description = serializers.CharField()


class SeriesAnswer(SeriesFacts, Person):
    series_phi = _words("Attributes by keyword, as they were.")


class SeriesOfStudy(SeriesFacts):
    phi_metadata = _words("Attributes by keyword, as they were.")


class WholeAnswer(StudyAnswer):
    patient_phi = _words("Attributes by keyword, as they were.")
    series_phi = SeriesOfStudy(many=True)
    series_count = serializers.IntegerField()


class _Batch(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    requested = serializers.IntegerField()
    not_found = serializers.ListField(child=serializers.CharField())


class PatientsAnswer(_Batch):
    results = PatientAnswer(many=True)


class StudiesAnswer(_Batch):
    results = StudyAnswer(many=True)


class SeriesBatchAnswer(_Batch):
    results = SeriesAnswer(many=True)


PROBLEM: Final = OpenApiResponse(ProblemDocument, "A problem document.")
KNOWN: Final = (401, 429)
MANY: Final = (400, 401, 403, 411, 413, 415, 429)
ONE: Final = (400, 401, 403, 404, 411, 413, 415, 429)
"""Problems of doors for whom we know; of those that are asked with names; and of those asked with one name."""


def problems(codes: Sequence[int]) -> dict[Any, Any]:
    """A database may always be away."""
    return {(one, MEDIA_TYPE): PROBLEM for one in (*codes, 503)}


def described(
    answer: Any,
    asked: Any = None,
    *,
    badly: Any = None,
    codes: Sequence[int] = (),
    query: Any = None,
    example: Any = None,
) -> Any:
    """For a method of a door: what it answers, what it is asked with, and with which problems it may end.

    `badly` is what a 503 says instead of a problem, `query` what may stand in the address, `example` an answer.
    """
    refused = problems(codes)
    if badly:
        refused = {503: badly, **{one: said for one, said in refused.items() if one[0] != 503}}
    return extend_schema(
        request=asked,
        responses={200: answer, **refused},
        parameters=[query] if query else None,
        examples=[shown(example)] if example is not None else None,
    )


def shown(example: Any) -> OpenApiExample:
    return OpenApiExample("as it may look", value=example, response_only=True, status_codes=["200"])

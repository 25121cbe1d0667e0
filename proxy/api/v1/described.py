"""Uploads and jobs, described for docs (OpenAPI)."""

from typing import Any, Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers

from proxy.api.answers import problems
from proxy.api.v1 import lists
from proxy.service.lifecycle import LIFE

ZIP: Final = "application/zip"
KINDS: Final = (ZIP, "application/dicom", "application/x-tar", "application/gzip")
UPLOAD: Final = (400, 401, 408, 409, 410, 413, 415, 422, 429)
COUNTS: Final = {
    "X-Files-Processed": "Files that came out clean.",
    "X-Files-Failed": "Files that did not, for other reasons than the next.",
    "X-Files-Rejected-BurnedIn": "Files whose pixels may show a name.",
}


class JobAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    state = serializers.ChoiceField(LIFE.states)
    begun_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
    received = serializers.IntegerField(help_text="Bytes that have come.")
    processed = serializers.IntegerField()
    failed = serializers.IntegerField()
    burned_in = serializers.IntegerField()
    size = serializers.IntegerField(help_text="Of the ZIP, in bytes.")
    audit = serializers.CharField(allow_null=True, help_text="The entry of the audit's chain.")
    reason = serializers.CharField(allow_null=True)


class JobsWanted(lists.Wanted):
    limit = serializers.IntegerField(
        min_value=1, max_value=lists.MOST, default=100, help_text="How many at most."
    )
    state = serializers.ChoiceField(LIFE.states, required=False)


class SecretAnswer(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Signs what we tell; shown this once.")


FILES: Final = {
    "multipart/form-data": {
        "type": "object",
        "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
        "required": ["files"],
    },
    **{kind: {"type": "string", "format": "binary"} for kind in KINDS},
}
KEY: Final = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="The same request again gets the same answer.",
)
MARK: Final = OpenApiParameter(
    "X-Audit-Sha256",
    str,
    OpenApiParameter.HEADER,
    response=[200, 422],
    description="The entry of the audit's chain.",
)
ANSWERED: Final = [
    OpenApiParameter(name, int, OpenApiParameter.HEADER, response=[200, 422], description=said)
    for name, said in COUNTS.items()
]


def _described(answers: dict[Any, Any], codes: tuple[int, ...], **more: Any) -> Any:
    return extend_schema(responses={**answers, **problems(codes)}, **more)


ANONYMIZE: Final = _described(
    {(200, ZIP): OpenApiTypes.BINARY}, UPLOAD, request=FILES, parameters=[KEY, MARK, *ANSWERED]
)
NEW_JOB: Final = _described({202: JobAnswer}, (*UPLOAD, 403), request=FILES, parameters=[KEY])
JOBS: Final = _described({200: lists.paged(JobAnswer)}, (400, 401, 429), parameters=[JobsWanted])
JOB: Final = _described({200: JobAnswer}, (401, 404, 429))
END_JOB: Final = _described({204: None}, (401, 404, 409, 429))
RANGE: Final = [
    OpenApiParameter("Range", str, OpenApiParameter.HEADER, description="One range of bytes."),
    OpenApiParameter(
        "If-Range", str, OpenApiParameter.HEADER, description="The ETag of the part that is there."
    ),
]
RESULT: Final = _described(
    {(200, ZIP): OpenApiTypes.BINARY, (206, ZIP): OpenApiTypes.BINARY},
    (401, 404, 409, 410, 416, 429),
    parameters=RANGE,
)
END_HOOK: Final = _described({204: None}, (401, 429))


def hook(asked: Any) -> Any:
    return _described({200: SecretAnswer}, (400, 401, 411, 413, 415, 429), request=asked)

"""What doors for uploads have in common: who may, which kinds of body, and what each trouble is in terms of HTTP.

A body goes past Django's parsers and upload handlers, straight from the server's input to the engine.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.utils import timezone
from django.utils.http import parse_header_parameters
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from proxy.api.keyholders import KeyHolder, holder
from proxy.api.problems import Problem, Wrong
from proxy.api.v1.doors import CustomerDoor
from proxy.reception.budget import Share
from proxy.reception.engines import engine_for
from proxy.reception.image import BUDGET
from proxy.service import charging, seats, troubles
from proxy.service.body import Body
from proxy.service.charging import OverQuota
from proxy.service.fates import CLEAN, Fates, HasCounts
from proxy.service.multipart import Multipart, boundary_of
from proxy.service.sources import Room
from proxy.service.upload import Named, Order, full
from proxy.service.watch import WATCH, Watched
from proxy.storage.errors import StorageFull
from proxy.tiers.models import Customer
from proxy.tiers.quota import Limit

MEGABYTE: Final = 1 << 20
SINGLE: Final = frozenset(
    f"application/{one}" for one in ("dicom", "zip", "x-zip-compressed", "x-tar", "gzip", "x-gzip")
)
SEVERAL: Final = "multipart/form-data"
KINDS: Final = (
    f"Send {SEVERAL} with fields named files; or one application/dicom, application/zip, application/x-tar."
)
ENCODED: Final = "Send the body as it is, without Content-Encoding."
NO_FILES: Final = "There is no file in the request."
NOTHING: Final = "None of the files could be used; errors says why."
MOST_TOLD: Final = 100
STATUS: Final[Mapping[type[troubles.Trouble], int]] = {
    troubles.TooMuch: 413,
    troubles.Malformed: 400,
    troubles.WrongKind: 415,
    troubles.TooSlow: 408,
    troubles.Busy: 503,
}
OVER: Final = {
    Limit.FILES: (429, "quota"),
    Limit.REQUESTS: (429, "too-many-requests"),
    Limit.SIZE: (413, "too-large"),
}


class AsZip(JSONRenderer):  # type: ignore[misc, unused-ignore]
    """For whoever accepts a ZIP and nothing else; a problem document is a problem document for them, too."""

    media_type = "application/zip"
    format = "zip"


class Uploads(CustomerDoor):
    parser_classes: Any = ()
    renderer_classes: Any = (JSONRenderer, AsZip)
    takes_chunks = True

    def most_bytes(self) -> int:
        return int(settings.SERVICE_UPLOAD_LIMIT) * MEGABYTE


@dataclass(frozen=True, slots=True)
class Asked:
    """An upload that was let in; nothing of its body has been read."""

    holder: KeyHolder
    secret: str
    body: Body
    parts: Iterable[Named]
    _watched: Watched

    @property
    def customer(self) -> Customer:
        return self.holder.customer

    def has_come(self) -> None:
        """All of it: from now on nobody waits for the sender."""
        WATCH.over(self._watched)


@contextmanager
def asked(request: Request) -> Iterator[Asked]:
    """Raises Problem, before the body is read and while it is."""
    with as_problems(), seats.taken():
        who = holder(request)
        kind, boundary = _kind(request)
        length = _length(request)
        most = min(settings.SERVICE_UPLOAD_LIMIT * MEGABYTE, who.customer.allows.size)
        body = Body(request.META["wsgi.input"], length, most)
        late = WATCH.working(request.META.get("gunicorn.socket"), lambda: body.size)
        body.is_late, body.waiting = lambda: late.is_late, late.waiting
        try:
            parts = _parts(body, boundary) if kind == SEVERAL else [("", body)]
            yield Asked(who, request.META["HTTP_X_API_KEY"], body, parts, late)
        finally:
            WATCH.over(late)


def order_of(one: Asked, *, digests: bool) -> Order:
    project = one.customer.project
    return Order(
        engine=engine_for(project.recipe),
        project_id=project.pk,
        issuer=project.issuer,
        secret=one.secret,
        room=Room(settings.SERVICE_UNPACKED_LIMIT * MEGABYTE, settings.SERVICE_FILES_LIMIT),
        share=Share(BUDGET),
        has_left=charging.has_left(one.customer, timezone.now),
        digests=digests,
    )


def _kind(request: Request) -> tuple[str, bytes]:
    """And the boundary, where there is one. Raises Trouble."""
    if request.META.get("HTTP_CONTENT_ENCODING", "identity").lower() != "identity":
        raise troubles.WrongKind("encoded", ENCODED)
    try:
        kind, said = parse_header_parameters(request.META.get("CONTENT_TYPE", ""))
    except ValueError:
        kind, said = "", {}
    if kind == SEVERAL:
        return kind, boundary_of(said.get("boundary", ""))
    if kind not in SINGLE:
        raise troubles.WrongKind("wrong-type", KINDS)
    return kind, b""


def _length(request: Request) -> int | None:
    length = request.META.get("CONTENT_LENGTH") or ""
    if not length and "HTTP_TRANSFER_ENCODING" in request.META:
        return None
    return int(length or 0)


def _parts(body: Body, boundary: bytes) -> Iterator[Named]:
    for part in Multipart(body, boundary).parts():
        yield part.name, part


# --- troubles -----------------------------------------------------------------------------------------


@contextmanager
def as_problems() -> Iterator[None]:
    """What a request ends with, as a problem."""
    try:
        yield
    except troubles.Trouble as trouble:
        raise _of(trouble) from None
    except OverQuota as over:
        raise of_quota(over) from None
    except StorageFull:
        raise _of(full()) from None


def _of(trouble: troubles.Trouble) -> Problem:
    return Problem(STATUS[type(trouble)], trouble.code, trouble.reason, trouble.after)


def of_quota(over: OverQuota) -> Problem:
    status, code = OVER[over.refused.limit]
    after: timedelta | None = over.refused.retry_after
    return Problem(status, code, over.refused.reason, after.total_seconds() if after else None)


def nothing_usable(fates: Fates, headers: Mapping[str, str]) -> Problem:
    """Each file's reason, of the first hundred."""
    if not fates.all:
        return Problem(400, "no-files", NO_FILES, headers=headers)
    wrong = tuple(
        Wrong(f"files.{one.number}", one.kind.replace(" ", "-").lower(), one.reason)
        for one in fates.all[:MOST_TOLD]
        if one.kind != CLEAN
    )
    return Problem(422, "nothing-usable", NOTHING, errors=wrong, headers=headers)


def headers_of(files: HasCounts, mark: str) -> dict[str, str]:
    """V16."""
    return {
        "X-Files-Processed": str(files.processed),
        "X-Files-Failed": str(files.failed),
        "X-Files-Rejected-BurnedIn": str(files.burned_in),
        "X-Audit-Sha256": mark,
    }

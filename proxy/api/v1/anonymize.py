"""`POST /v1/anonymize`: images in, a ZIP of clean ones out, in one request.

Nothing of it stays here, unless an `Idempotency-Key` asks that the same answer can be had again for a day.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from django.http import FileResponse
from django.utils import timezone
from rest_framework.request import Request

from proxy.api.problems import Problem
from proxy.api.ranges import Range
from proxy.api.v1 import described
from proxy.api.v1.sending import Sent
from proxy.api.v1.uploads import Asked, Uploads, asked, headers_of, nothing_usable, order_of
from proxy.service import charging, jobs, spool
from proxy.service.jobs import Known, Progress, StillRunning
from proxy.service.lifecycle import DONE
from proxy.service.models import Job
from proxy.service.packing import Zip
from proxy.service.spool import Spool
from proxy.service.upload import Upload

LONGEST_KEY: Final = 255
WRONG_KEY: Final = f"An Idempotency-Key is 1 to {LONGEST_KEY} printable characters of ASCII."
RUNNING: Final = "A request with this Idempotency-Key is being worked on; ask again."
OTHER: Final = "Another request came with this Idempotency-Key; take a new one."
GONE: Final = "It was done and charged, and its answer is not kept any more; take a new Idempotency-Key."
ZIP: Final = "application/zip"


class Anonymize(Uploads):
    @described.ANONYMIZE
    def post(self, request: Request) -> FileResponse:
        """Take the identities out of these files."""
        with ExitStack() as stack:
            one = stack.enter_context(asked(request))
            key = key_of(request)
            if not key:
                file = stack.enter_context(spool.opened())
                headers, size = _once(one, file)
                return _sent(file.give(), size, headers, request, stack)
            file = stack.enter_context(spool.opened(kept=True))
            job = begun(one, Job.ANSWER, key)
            if isinstance(job, Known):
                return _again(one, job.job, request, stack)
            headers, size = kept(one, job, file)
            return _sent(file.give(), size, headers, request, stack)


def _once(one: Asked, file: Spool) -> tuple[dict[str, str], int]:
    """The answer's headers, and the size of the ZIP, which is whole and charged for. Raises Problem."""
    charging.admit(one.customer, one.body.length or 0, timezone.now())
    upload = Upload(order_of(one, digests=False), Zip(file.handle))
    upload.all_of(one.parts)
    return _settled(one, upload, lambda mark: upload.close_with({"audit": mark}))


def kept(one: Asked, job: Job, file: Spool) -> tuple[dict[str, str], int]:
    """The same, under a row that says how far it is, and what came of it."""
    with jobs.worked_on(job):
        charging.admit(one.customer, one.body.length or 0, timezone.now())
        upload, progress = Upload(order_of(one, digests=True), Zip(file.handle)), Progress(job)
        one.body.beat = lambda size: progress.say(size, upload.fates)
        upload.all_of(one.parts)
        body_mac = jobs.mac_of(one.customer.project.pk, "body", upload.digest)

        def end(mark: str) -> int:
            size = upload.close_with({"audit": mark})
            jobs.keep(job, file, size, upload.fates, mark, body_mac, one.body.size)
            return size

        file.flush()  # before others wait for us
        return _settled(one, upload, end, job=job.name)


def _settled(
    one: Asked, upload: Upload, end: Callable[[str], int], **detail: str
) -> tuple[dict[str, str], int]:
    """Charged and ended, or neither. What was of no use to anybody is not charged, and leaves its mark, too."""
    one.has_come()
    fates, now = upload.fates, timezone.now()
    ended = end if fates.processed else lambda mark: 0
    mark, size = charging.settle(one.customer, str(one.holder), fates, one.body.size, now, ended, **detail)
    headers = headers_of(fates, mark)
    if not fates.processed:
        raise nothing_usable(fates, headers)
    return headers, size


# --- once more ----------------------------------------------------------------------------------------


def key_of(request: Request) -> str:
    """Empty: there is none. Raises Problem."""
    if (key := request.META.get("HTTP_IDEMPOTENCY_KEY")) is None:
        return ""
    if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        raise Problem(400, "wrong-key", WRONG_KEY)
    return str(key)


def begun(one: Asked, kind: str, key: str) -> Job | Known:
    mac = jobs.mac_of(one.customer.project.pk, "key", key) if key else ""
    job = jobs.begin(one.customer, kind, mac, timezone.now())
    if isinstance(job, StillRunning):
        raise Problem(409, "still-running", RUNNING, 5.0)
    return job


def is_same(one: Asked, job: Job, kind: str) -> None:
    """Reads what came, and cleans nothing. Raises Problem if another request had this key."""
    upload = Upload(order_of(one, digests=True), Zip(-1))
    body_mac = jobs.mac_of(one.customer.project.pk, "body", upload.digest_all(one.parts))
    one.has_come()
    if body_mac != job.body_mac or kind != job.kind:
        raise Problem(422, "other-body", OTHER)


def _again(one: Asked, job: Job, request: Request, stack: ExitStack) -> FileResponse:
    is_same(one, job, Job.ANSWER)
    return _sent(opened(job), job.size, headers_of(job, job.mark), request, stack)


def opened(job: Job) -> int:
    """What is kept of it. Raises Problem."""
    try:
        handle = os.open(spool.folder() / job.file, os.O_RDONLY | os.O_CLOEXEC) if job.file else -1
    except FileNotFoundError:
        handle = -1
    if job.state != DONE or handle < 0:
        raise Problem(410, "answer-gone", GONE)
    return handle


def _sent(
    handle: int, size: int, headers: dict[str, str], request: Request, stack: ExitStack
) -> FileResponse:
    return sent(handle, Range(0, size, size), headers, request, stack)


def sent(
    handle: int, part: Range, headers: dict[str, str], request: Request, stack: ExitStack
) -> FileResponse:
    """The seat is given back when it was sent."""
    file = Sent(handle, part, request.META.get("gunicorn.socket"), stack.pop_all())
    return FileResponse(file, as_attachment=True, filename="clean.zip", content_type=ZIP, headers=headers)

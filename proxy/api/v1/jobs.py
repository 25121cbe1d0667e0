"""`/v1/jobs`: large uploads whose result is fetched later, as often as wanted, for a day."""

from contextlib import ExitStack
from typing import Any, Final

from django.http.response import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.keyholders import holder
from proxy.api.problems import Problem
from proxy.api.ranges import partial, range_of
from proxy.api.v1 import described, lists, times
from proxy.api.v1.anonymize import begun, is_same, kept, key_of, opened, sent
from proxy.api.v1.doors import CustomerDoor
from proxy.api.v1.uploads import AsZip, Uploads, as_problems, asked, headers_of
from proxy.service import jobs, seats, spool
from proxy.service.fates import counts
from proxy.service.jobs import Known
from proxy.service.lifecycle import FAILED, RUNNING
from proxy.service.models import Job
from proxy.tiers.models import Customer

NO_JOBS: Final = "Your tier has no jobs; send smaller requests to /v1/anonymize."
NOT_DONE: Final = "This job is not done; ask for its state."
UNKNOWN: Final = "There is no such job."


class Jobs(Uploads):
    @described.JOBS
    def get(self, request: Request) -> Response:
        """Yours, the newest first."""
        conditions = lists.wanted(described.JobsWanted, request)
        rows = jobs.of_customer(holder(request).customer)
        return Response(lists.page(rows, conditions, lambda some: [said(one) for one in some]))

    @described.NEW_JOB
    def post(self, request: Request) -> Response:
        """Take the identities out of these files, and keep the result for a day."""
        with ExitStack() as stack:
            one = stack.enter_context(asked(request))
            _may(one.customer, one.body.length or 0)
            file = stack.enter_context(spool.opened(kept=True))
            job = begun(one, Job.JOB, key_of(request))
            if isinstance(job, Known):
                is_same(one, job.job, Job.JOB)
                return _accepted(job.job)
            kept(one, job, file)
        job.refresh_from_db()
        return _accepted(job)


class OneJob(CustomerDoor):
    @described.JOB
    def get(self, request: Request, name: str) -> Response:
        """How far it is, and what came of it."""
        return Response(said(_found(request, name)))

    @described.END_JOB
    def delete(self, request: Request, name: str) -> Response:
        """Remove the result now. What is being worked on goes on."""
        job = _found(request, name)
        if job.state == RUNNING:
            raise Problem(409, "still-running", NOT_DONE, 5.0)
        jobs.let_go(Job.objects.filter(pk=job.pk))
        return Response(status=204)


class Result(CustomerDoor):
    renderer_classes: Any = (*CustomerDoor.renderer_classes, AsZip)

    @described.RESULT
    def get(self, request: Request, name: str) -> HttpResponseBase:
        """The ZIP of clean files, or one range of its bytes."""
        job = _found(request, name)
        if job.state == RUNNING:
            raise Problem(409, "still-running", NOT_DONE, 5.0)
        if job.state == FAILED:
            raise Problem(409, "failed", job.reason or NOT_DONE)
        tag = f'"{job.mark}"'
        part = range_of(request, job.size, tag)
        with ExitStack() as stack:
            stack.enter_context(as_problems())
            stack.enter_context(seats.taken())
            headers = {**headers_of(job, job.mark), "ETag": tag}
            return partial(sent(opened(job), part, headers, request, stack), part)


def said(job: Job) -> dict[str, Any]:
    return {
        "id": job.name,
        "state": job.state,
        **{name: times.said(getattr(job, name)) for name in ("begun_at", "ended_at", "expires_at")},
        "received": job.received,
        **counts(job),
        "size": job.size,
        "audit": job.mark or None,
        "reason": job.reason or None,
    }


def _found(request: Request, name: str) -> Job:
    """A customer sees their own, and of others not even that they are there. Raises Problem."""
    job = jobs.of_customer(holder(request).customer).filter(name=name).first()
    if job is None:
        raise Problem(404, "not-found", UNKNOWN)
    jobs.rescue(timezone.now())
    jobs.let_go(Job.objects.filter(pk=job.pk, expires_at__lte=timezone.now()))
    job.refresh_from_db()
    return job


def _may(customer: Customer, size: int) -> None:
    """Raises Problem, Trouble."""
    if not customer.allows.jobs:
        raise Problem(403, "no-jobs", NO_JOBS)
    jobs.may_begin(size)


def _accepted(job: Job) -> Response:
    return Response(said(job), status=202, headers={"Location": f"/v1/jobs/{job.name}"})

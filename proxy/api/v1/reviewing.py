"""What a person decides about a study and its revisions, under `/v1/studies`: what leaves, what stays, what waits."""

from typing import ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.answers import described
from proxy.api.v1 import acts, lists
from proxy.api.v1.codes import ACT
from proxy.api.v1.studies import RevisionFacts, StudyDoor, StudyWhole, revision_words
from proxy.api.v1.who import by
from proxy.studies import review
from proxy.studies.lifecycle import DELIVERED, EXPIRED, REJECTED, RELEASED, REVIEW
from proxy.studies.models import Revision


class Hold(StudyDoor):
    needs = "studies.change_study"

    @described(StudyWhole, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """Stop it where it stands: nothing more of it is released or sent. Again is the same."""
        study = lists.one(self.rows(request), int(number))
        comment = acts.why(request)
        if not study.is_held:
            review.hold(study, by(request), timezone.now(), comment)
        return self.answer(request, number)


class Free(StudyDoor):
    needs = "studies.change_study"

    @described(StudyWhole, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """Set a held one free: it goes on. Again is the same."""
        study = lists.one(self.rows(request), int(number))
        comment = acts.why(request)
        if study.is_held:
            review.set_free(study, by(request), comment)
        return self.answer(request, number)


class _OfRevision(StudyDoor):
    needs = "studies.change_revision"
    done: ClassVar[tuple[str, ...]]
    """The states of a revision about which this was decided already."""

    def decide(self, row: Revision, who: str, why: str) -> bool:
        raise NotImplementedError

    def decided(self, request: Request, number: str, revision: str) -> Response:
        study = lists.one(self.rows(request), int(number))
        rows = study.revisions.select_related("route", "study")
        row, comment = lists.one(rows, int(revision), "number"), acts.why(request)
        if row.state not in self.done and not self.decide(row, by(request), comment):
            held = " Its study is held: set it free first." if study.is_held else ""
            raise acts.undecided(f"It is {row.state}, or somebody was faster.{held}")
        return Response(revision_words(lists.one(rows, int(revision), "number")))


class Approve(_OfRevision):
    done = (RELEASED, DELIVERED, EXPIRED)

    @described(RevisionFacts, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str, revision: str) -> Response:
        """Release a revision that waits for review; its deliveries follow. Again is the same."""
        return self.decided(request, number, revision)

    def decide(self, row: Revision, who: str, why: str) -> bool:
        return review.approve(row, who, timezone.now(), why)


class Reject(_OfRevision):
    done = (REJECTED,)

    @described(RevisionFacts, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str, revision: str) -> Response:
        """Keep a revision here; the ledger counts its images as excluded. Again is the same."""
        return self.decided(request, number, revision)

    def decide(self, row: Revision, who: str, why: str) -> bool:
        return review.reject(row, who, why)


class Reconsider(_OfRevision):
    done = (REVIEW,)

    @described(RevisionFacts, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str, revision: str) -> Response:
        """Put a rejected revision before the reviewers once more. Again is the same."""
        return self.decided(request, number, revision)

    def decide(self, row: Revision, who: str, why: str) -> bool:
        return review.reconsider(row, who, why)

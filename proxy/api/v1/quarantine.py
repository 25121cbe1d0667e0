"""`/v1/quarantine`: images that a gate stopped, and a person's two ways out of it."""

from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.answers import described
from proxy.api.v1 import acts, lists
from proxy.api.v1.codes import ACT, LIST, ONE
from proxy.api.v1.doors import ForCustomers, StaffDoor
from proxy.api.v1.times import said
from proxy.api.v1.who import by, within
from proxy.quarantine import decide
from proxy.quarantine.lifecycle import DISCARDED, HELD, LIFE, RELEASED
from proxy.quarantine.models import HeldItem


class HeldWanted(lists.Wanted):
    state = serializers.ChoiceField(LIFE.states, required=False)
    code = serializers.CharField(required=False, max_length=64, help_text="The gate, such as burned-in.")
    project = serializers.CharField(source="project__name", required=False, max_length=64)
    patient = serializers.CharField(required=False, max_length=64, help_text="The pseudonym.")
    study_uid = serializers.CharField(required=False, max_length=64, help_text="Pseudonymous.")
    held_since = serializers.DateTimeField(source="held_at__gte", required=False)
    held_before = serializers.DateTimeField(source="held_at__lt", required=False)


class HeldFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    project = serializers.CharField()
    state = serializers.CharField(help_text="See docs/operations.md, Lives.")
    code = serializers.CharField(help_text="The gate.")
    reason = serializers.CharField()
    patient = serializers.CharField(help_text="The pseudonym.")
    study_uid = serializers.CharField(help_text="Pseudonymous.")
    uid = serializers.CharField(help_text="Pseudonymous.")
    sop_class = serializers.CharField()
    bytes = serializers.IntegerField()
    held_at = serializers.DateTimeField()
    goes_at = serializers.DateTimeField(allow_null=True, help_text="Retention lets it go then.")
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField()
    comment = serializers.CharField()


EXAMPLE = {
    "number": 3,
    "project": "default",
    "state": "held",
    "code": "burned-in",
    "reason": "Text may be burned into its pixels.",
    "patient": "ANON-E4GRD6KGBD53XHQG",
    "study_uid": "2.25.329800735698586629295641978511506172918",
    "uid": "2.25.225789137915973612341978511506172918",
    "sop_class": "1.2.840.10008.5.1.4.1.1.6.1",
    "bytes": 1_048_576,
    "held_at": "2026-03-01T12:00:00Z",
    "goes_at": None,
    "decided_at": None,
    "decided_by": "",
    "comment": "",
}


class _Held(StaffDoor):
    needs = "quarantine.view_helditem"

    def rows(self, request: Request) -> "QuerySet[HeldItem]":
        return within(request, HeldItem.objects.select_related("project"))

    def answer(self, request: Request, number: str) -> Response:
        return Response(words(lists.one(self.rows(request), int(number))))


class Quarantine(ForCustomers, _Held):
    @described(
        lists.paged(HeldFacts), codes=LIST, query=HeldWanted, example={"results": [EXAMPLE], "next": None}
    )
    def get(self, request: Request) -> Response:
        """Images that were held, the newest first."""
        conditions = lists.wanted(HeldWanted, request)
        return Response(lists.page(self.rows(request), conditions, lambda rows: [words(one) for one in rows]))


class OneHeld(ForCustomers, _Held):
    @described(HeldFacts, codes=ONE)
    def get(self, request: Request, number: str) -> Response:
        """One held image: why, since when, and what was decided."""
        return self.answer(request, number)


class Release(_Held):
    needs = "quarantine.change_helditem"

    @described(HeldFacts, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """Let it go the way of any other image, past the gate that held it. Again is the same."""
        item = lists.one(self.rows(request), int(number))
        comment = acts.why(request)
        if item.state != RELEASED:
            _release(item, by(request), comment)
        return self.answer(request, number)


class Discard(_Held):
    needs = "quarantine.change_helditem"

    @described(HeldFacts, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """It will not go on, and is counted as excluded. Again is the same."""
        item = lists.one(self.rows(request), int(number))
        comment = acts.why(request)
        if item.state != DISCARDED and not decide.discard(item, by(request), comment, timezone.now()):
            raise acts.undecided(f"It was {item.state} already.")
        return self.answer(request, number)


def _release(item: HeldItem, who: str, why: str) -> None:
    """A mark stands before anything leaves quarantine."""
    if item.state != HELD:
        raise acts.undecided(f"It was {item.state} already.")
    from proxy.pipeline import release_held  # noqa: PLC0415 - brings the network along
    from proxy.reception.held import CannotRelease  # noqa: PLC0415

    decide.ask_release(item, who, why)
    try:
        release_held(item.pk, who)
    except CannotRelease as refusal:
        raise acts.undecided(str(refusal)) from None


def words(item: HeldItem) -> dict[str, Any]:
    return {
        "number": item.pk,
        "project": item.project.name,
        "state": item.state,
        "code": item.code,
        "reason": item.reason,
        "patient": item.patient,
        "study_uid": item.study_uid,
        "uid": item.uid,
        "sop_class": item.sop_class,
        "bytes": item.size,
        "held_at": said(item.held_at),
        "goes_at": said(item.goes_at),
        "decided_at": said(item.decided_at),
        "decided_by": item.decided_by,
        "comment": item.comment,
    }

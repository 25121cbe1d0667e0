"""`/v1/deliveries`: where everything stands on its way, and what persons decide about it."""

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
from proxy.deliveries import decisions
from proxy.deliveries.lifecycle import DROPPED, LIFE
from proxy.deliveries.models import Attempt, Delivery

TRIES = 20
"""So many of the latest are told with a delivery."""


class DeliveriesWanted(lists.Wanted):
    state = serializers.ChoiceField(LIFE.states, required=False)
    destination = serializers.CharField(source="destination__name", required=False, max_length=64)
    project = serializers.CharField(source="revision__study__project__name", required=False, max_length=64)
    study = serializers.IntegerField(
        source="revision__study",
        required=False,
        min_value=1,
        max_value=lists.HIGHEST,
        help_text="Its number.",
    )


class DeliveryFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    study = serializers.IntegerField(help_text="Its number.")
    study_uid = serializers.CharField(help_text="Of the clean images.")
    revision = serializers.IntegerField()
    destination = serializers.CharField()
    state = serializers.CharField(help_text="See docs/operations.md, Lives.")
    priority = serializers.CharField()
    attempts = serializers.IntegerField()
    next_try_at = serializers.DateTimeField()
    reason = serializers.CharField(help_text="Why it is not over yet, or was refused.")
    images = serializers.IntegerField()
    acknowledged = serializers.IntegerField()
    committed = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class AttemptFacts(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.CharField()
    reason = serializers.CharField()
    acknowledged = serializers.IntegerField()


class DeliveryWhole(DeliveryFacts):
    tries = AttemptFacts(many=True, help_text=f"The latest {TRIES}, newest first.")


EXAMPLE = {
    "number": 5,
    "study": 17,
    "study_uid": "2.25.329800735698586629295641978511506172918",
    "revision": 1,
    "destination": "research-pacs",
    "state": "waiting",
    "priority": "routine",
    "attempts": 2,
    "next_try_at": "2026-03-01T12:05:00Z",
    "reason": "Nobody answers at this address.",
    "images": 412,
    "acknowledged": 100,
    "committed": 0,
    "created_at": "2026-03-01T12:00:00Z",
    "finished_at": None,
}


class _Deliveries(StaffDoor):
    needs = "deliveries.view_delivery"

    def rows(self, request: Request) -> "QuerySet[Delivery]":
        rows = Delivery.objects.select_related("revision__study", "destination").defer("acks", "commits")
        return within(request, rows, "revision__study__project")

    def answer(self, request: Request, number: str) -> Response:
        row = lists.one(self.rows(request), int(number))
        tries = row.tries.order_by("-pk")[:TRIES]
        return Response({**words(row), "tries": [try_words(one) for one in tries]})


class Deliveries(ForCustomers, _Deliveries):
    @described(
        lists.paged(DeliveryFacts),
        codes=LIST,
        query=DeliveriesWanted,
        example={"results": [EXAMPLE], "next": None},
    )
    def get(self, request: Request) -> Response:
        """Deliveries, the newest first."""
        conditions = lists.wanted(DeliveriesWanted, request)
        return Response(lists.page(self.rows(request), conditions, lambda rows: [words(one) for one in rows]))


class OneDelivery(ForCustomers, _Deliveries):
    @described(DeliveryWhole, codes=ONE)
    def get(self, request: Request, number: str) -> Response:
        """One delivery with its latest attempts."""
        return self.answer(request, number)


class Retry(_Deliveries):
    needs = "deliveries.change_delivery"

    @described(DeliveryWhole, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """Try it now: what is open is sent, and what was delivered is sent once more. Again is the same."""
        row = lists.one(self.rows(request), int(number))
        acts.why(request)
        if not decisions.retry(row, by(request), timezone.now()):
            raise acts.undecided(decisions.NOT_AGAIN)
        return self.answer(request, number)


class Drop(_Deliveries):
    needs = "deliveries.change_delivery"

    @described(DeliveryWhole, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """Give it up: what it did not send is counted as excluded. Again is the same."""
        row = lists.one(self.rows(request), int(number))
        comment = acts.why(request)
        if row.state != DROPPED and not decisions.drop(row, by(request), timezone.now(), comment):
            raise acts.undecided("It is being sent at this moment, or it is over.")
        return self.answer(request, number)


# --- words ----------------------------------------------------------------------------------------


def words(row: Delivery) -> dict[str, Any]:
    return {
        "number": row.pk,
        "study": row.revision.study_id,
        "study_uid": row.revision.study.uid,
        "revision": row.revision.number,
        "destination": row.destination.name,
        "state": row.state,
        "priority": row.get_priority_display().lower(),
        "attempts": row.attempts,
        "next_try_at": said(row.next_try_at),
        "reason": row.reason,
        "images": row.total,
        "acknowledged": row.acknowledged,
        "committed": row.committed,
        "created_at": said(row.created_at),
        "finished_at": said(row.finished_at),
    }


def try_words(one: Attempt) -> dict[str, Any]:
    return {
        "started_at": said(one.started_at),
        "ended_at": said(one.ended_at),
        "outcome": one.outcome,
        "reason": one.reason,
        "acknowledged": one.acknowledged,
    }

"""`/v1/studies`: what we hold, by study, pseudonymous only."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, QuerySet, Sum
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.answers import described
from proxy.api.v1 import lists
from proxy.api.v1.codes import LIST, ONE
from proxy.api.v1.doors import ForCustomers, StaffDoor
from proxy.api.v1.times import said
from proxy.api.v1.who import within
from proxy.studies.models import Revision, Series, Study


class StudiesWanted(lists.Wanted):
    project = serializers.CharField(source="project__name", required=False, max_length=64)
    patient = serializers.CharField(required=False, max_length=64, help_text="The pseudonym.")
    uid = serializers.CharField(
        required=False, max_length=64, help_text="Of the clean images, not the original one."
    )
    received_since = serializers.DateTimeField(source="received_at__gte", required=False)
    received_before = serializers.DateTimeField(source="received_at__lt", required=False)
    held = serializers.BooleanField(required=False, help_text="Held by a person: nothing more leaves.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "held" in attrs:
            attrs["held_at__isnull"] = not attrs.pop("held")
        return attrs


class StudyFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="Ours; it stands in addresses.")
    project = serializers.CharField()
    uid = serializers.CharField(help_text="Of the clean images, like all that follows.")
    patient = serializers.CharField(help_text="The pseudonym.")
    date = serializers.CharField()
    time = serializers.CharField()
    description = serializers.CharField()
    accession = serializers.CharField()
    received_at = serializers.DateTimeField()
    is_held = serializers.BooleanField()
    revisions = serializers.IntegerField()
    series = serializers.IntegerField()
    images = serializers.IntegerField(help_text="All that came, also those that have expired.")


class SeriesInStudy(serializers.Serializer[Any]):
    uid = serializers.CharField()
    number = serializers.CharField()
    modality = serializers.CharField()
    description = serializers.CharField()
    body_part = serializers.CharField()
    is_excluded = serializers.BooleanField(help_text="By one route at least, it does not leave.")
    images = serializers.IntegerField()


class StudyWhole(StudyFacts):
    held_reason = serializers.CharField()
    all_series = SeriesInStudy(many=True)


class DeliveryInBrief(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    destination = serializers.CharField()
    state = serializers.CharField()


class RevisionFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="Within its study, from 1.")
    state = serializers.CharField(help_text="See docs/operations.md, Lives.")
    route = serializers.CharField(help_text="The AE title that was called.")
    images = serializers.IntegerField()
    opened_at = serializers.DateTimeField()
    quiet_at = serializers.DateTimeField()
    released_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    files_gone_at = serializers.DateTimeField(allow_null=True)
    deliveries = DeliveryInBrief(many=True)


class Revisions(serializers.Serializer[Any]):
    results = RevisionFacts(many=True)


EXAMPLE = {
    "number": 17,
    "project": "default",
    "uid": "2.25.329800735698586629295641978511506172918",
    "patient": "ANON-E4GRD6KGBD53XHQG",
    "date": "20251103",
    "time": "101500",
    "description": "CT THORAX",
    "accession": "",
    "received_at": "2026-03-01T12:00:00Z",
    "is_held": False,
    "revisions": 1,
    "series": 2,
    "images": 412,
}


class StudyDoor(StaffDoor):
    needs = "studies.view_study"

    def rows(self, request: Request) -> "QuerySet[Study]":
        return within(request, Study.objects.select_related("project"))

    def answer(self, request: Request, number: str) -> Response:
        study = lists.one(self.rows(request), int(number))
        [words] = all_words([study])
        return Response({**words, "held_reason": study.held_reason, "all_series": series_of(study)})


class Studies(ForCustomers, StudyDoor):
    @described(
        lists.paged(StudyFacts),
        codes=LIST,
        query=StudiesWanted,
        example={"results": [EXAMPLE], "next": 17},
    )
    def get(self, request: Request) -> Response:
        """Studies, the newest first."""
        return Response(lists.page(self.rows(request), lists.wanted(StudiesWanted, request), all_words))


class OneStudy(ForCustomers, StudyDoor):
    @described(StudyWhole, codes=ONE)
    def get(self, request: Request, number: str) -> Response:
        """One study with its series and how many images each has."""
        return self.answer(request, number)


class StudyRevisions(ForCustomers, StudyDoor):
    @described(Revisions, codes=ONE)
    def get(self, request: Request, number: str) -> Response:
        """What arrived of a study between two silences, and where each part of it goes."""
        study = lists.one(self.rows(request), int(number))
        rows = study.revisions.select_related("route").prefetch_related("deliveries__destination")
        return Response({"results": [revision_words(row) for row in rows.order_by("number")]})


# --- words ----------------------------------------------------------------------------------------


def all_words(studies: list[Study]) -> list[dict[str, Any]]:
    numbers = [one.pk for one in studies]
    arrived: Any = Revision.objects.filter(study__in=numbers).order_by().values("study")
    counts = {row["study"]: row for row in arrived.annotate(images=Sum("total"), revisions=Count("pk"))}
    owners: Any = Series.objects.filter(study__in=numbers).order_by().values_list("study", flat=True)
    series = Counter(owners)
    return [_words(one, counts.get(one.pk, {}), series[one.pk]) for one in studies]


def _words(study: Study, counts: dict[str, int], series: int) -> dict[str, Any]:
    return {
        "number": study.pk,
        "project": study.project.name,
        "uid": study.uid,
        "patient": study.patient,
        "date": study.date,
        "time": study.time,
        "description": study.description,
        "accession": study.accession,
        "received_at": said(study.received_at),
        "is_held": study.is_held,
        "revisions": counts.get("revisions", 0),
        "series": series,
        "images": counts.get("images", 0),
    }


def series_of(study: Study) -> list[dict[str, Any]]:
    rows: Iterable[Any] = study.series.annotate(images=Count("instances")).order_by("pk")
    return [
        {
            "uid": one.uid,
            "number": one.number,
            "modality": one.modality,
            "description": one.description,
            "body_part": one.body_part,
            "is_excluded": one.excluded,
            "images": one.images,
        }
        for one in rows
    ]


def revision_words(row: Revision) -> dict[str, Any]:
    deliveries = [
        {"number": one.pk, "destination": one.destination.name, "state": one.state}
        for one in row.deliveries.all()
    ]
    return {
        "number": row.number,
        "state": row.state,
        "route": row.route.called_ae,
        "images": row.total,
        "opened_at": said(row.opened_at),
        "quiet_at": said(row.quiet_at),
        "released_at": said(row.released_at),
        "ended_at": said(row.ended_at),
        "files_gone_at": said(row.files_gone_at),
        "deliveries": sorted(deliveries, key=lambda one: str(one["destination"])),
    }

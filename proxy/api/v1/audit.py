"""`/v1/audit`: the chain of marks, to read and to verify."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import seats
from proxy.api.answers import described
from proxy.api.v1 import lists
from proxy.api.v1.codes import LIST
from proxy.api.v1.doors import ForCustomers, StaffDoor
from proxy.api.v1.times import said
from proxy.api.v1.who import customer
from proxy.audit import anchors
from proxy.audit.models import Entry
from proxy.audit.verify import Report, verify
from proxy.tiers import keys

BUSY: Final = "The audit is being verified just now; ask again."
MOST_FINDINGS: Final = 1_000
HOLDS_FOR: Final = 300.0  # seconds


class Verdict:
    """A long chain takes a core for as long as it is read. With whatever key, nobody keeps it busy all the time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._reading = Lock()
        self._latest: tuple[float, bool] | None = None

    def anew(self) -> Report:
        """Raises the 503 of somebody who reads it already."""
        with seats.taken(self._reading, BUSY, 5.0):
            report = verify(anchors.file())
            self._latest = self._clock(), report.ok
        return report

    def is_whole(self) -> bool:
        """As it was some minutes ago, at the earliest."""
        if self._latest is not None and self._clock() - self._latest[0] < HOLDS_FOR:
            return self._latest[1]
        return self.anew().ok

    def forget(self) -> None:
        self._latest = None


verdict: Final = Verdict()


class EntriesWanted(lists.Wanted):
    action = serializers.CharField(required=False, max_length=64, help_text="Such as identity.viewed.")
    actor = serializers.CharField(required=False, max_length=255)
    subject = serializers.CharField(required=False, max_length=255, help_text="A pseudonym or an object.")
    since = serializers.DateTimeField(source="at__gte", required=False)
    before = serializers.DateTimeField(source="at__lt", required=False)


class EntryFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField(help_text="Its place in the chain, from 1.")
    at = serializers.DateTimeField()
    actor = serializers.CharField()
    action = serializers.CharField()
    subject = serializers.CharField(help_text="A pseudonym or an object.")
    purpose = serializers.CharField()
    detail = serializers.DictField()
    mac = serializers.CharField(help_text="Keyed digest of the entry and of the one before.")


class VerifyAnswer(serializers.Serializer[Any]):
    is_whole = serializers.BooleanField()
    entries = serializers.IntegerField(help_text="Of all that were read, those that you may see.")
    findings = serializers.ListField(
        child=serializers.CharField(), help_text="For staff: what was done to it, in sentences."
    )


EXAMPLE = {
    "number": 4711,
    "at": "2026-03-01T12:00:00Z",
    "actor": "ada",
    "action": "identity.viewed",
    "subject": "ANON-E4GRD6KGBD53XHQG",
    "purpose": "recall of trial 7",
    "detail": {"project": 1},
    "mac": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


class _Audit(StaffDoor):
    needs = "audit.view_entry"


class Audit(ForCustomers, _Audit):
    @described(
        lists.paged(EntryFacts), codes=LIST, query=EntriesWanted, example={"results": [EXAMPLE], "next": 4711}
    )
    def get(self, request: Request) -> Response:
        """Entries, the newest first."""
        conditions = lists.wanted(EntriesWanted, request)
        return Response(
            lists.page(mine(request), conditions, lambda found: [words(one) for one in found], "sequence")
        )


class Verify(ForCustomers, _Audit):
    @described(
        VerifyAnswer,
        codes=LIST,
        example={"is_whole": True, "entries": 4711, "findings": []},
    )
    def get(self, request: Request) -> Response:
        """Read every entry again, for one asker at a time. What a customer hears may be minutes old."""
        if customer(request) is None:
            return Response(report_words(verdict.anew()))
        return Response({"is_whole": verdict.is_whole(), "entries": mine(request).count(), "findings": []})


def mine(request: Request) -> "QuerySet[Entry]":
    """A customer sees what was done with its keys."""
    holder = customer(request)
    rows = Entry.objects.all()
    return rows if holder is None else rows.filter(actor__in=keys.actors(holder.customer))


def words(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.sequence,
        "at": said(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "subject": entry.subject,
        "purpose": entry.purpose,
        "detail": entry.detail,
        "mac": entry.mac,
    }


def report_words(report: Report) -> dict[str, Any]:
    findings = [one.sentence for one in report.findings[:MOST_FINDINGS]]
    return {"is_whole": report.ok, "entries": report.count, "findings": findings}

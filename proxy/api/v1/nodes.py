"""`/v1/nodes`: our DICOM peers, and whether one of them answers."""

from threading import BoundedSemaphore
from typing import Any, Final

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import seats
from proxy.api.answers import described
from proxy.api.v1 import acts, lists
from proxy.api.v1.codes import ACT, LIST, ONE
from proxy.api.v1.doors import StaffDoor
from proxy.routing.models import Node

PATIENCE: Final = 5.0  # seconds
AT_ONCE: Final = 4
BUSY: Final = "Too many nodes are being asked just now; ask again."

_asking = BoundedSemaphore(AT_ONCE)


class NodesWanted(lists.Wanted):
    ae_title = serializers.CharField(required=False, max_length=16)
    in_force = serializers.BooleanField(required=False, help_text="Not retired.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "in_force" in attrs:
            attrs["retired_at__isnull"] = attrs.pop("in_force")
        return attrs


class NodeFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    name = serializers.CharField()
    ae_title = serializers.CharField()
    host = serializers.CharField()
    port = serializers.IntegerField()
    may = serializers.ListField(child=serializers.CharField(), help_text="What it may ask of us.")
    view = serializers.CharField(help_text="pseudonymous or identified.")
    projects = serializers.ListField(child=serializers.CharField(), help_text="Empty: all, pseudonymous.")
    tls = serializers.CharField()
    is_outside = serializers.BooleanField(help_text="Sends results made of pseudonymous images.")
    is_in_force = serializers.BooleanField()


class EchoAnswer(serializers.Serializer[Any]):
    answers = serializers.BooleanField()
    why = serializers.CharField(help_text="Why it does not; else empty.")
    milliseconds = serializers.IntegerField()


EXAMPLE = {
    "number": 1,
    "name": "ARCHIVE",
    "ae_title": "ARCHIVE",
    "host": "10.0.0.7",
    "port": 4242,
    "may": ["find", "retrieve"],
    "view": "pseudonymous",
    "projects": [],
    "tls": "off",
    "is_outside": False,
    "is_in_force": True,
}


class _Nodes(StaffDoor):
    needs = "routing.view_node"

    def rows(self) -> "QuerySet[Node]":
        return Node.objects.prefetch_related("projects")


class Nodes(_Nodes):
    @described(
        lists.paged(NodeFacts), codes=LIST, query=NodesWanted, example={"results": [EXAMPLE], "next": None}
    )
    def get(self, request: Request) -> Response:
        """Our DICOM peers, the newest first."""
        conditions = lists.wanted(NodesWanted, request)
        return Response(lists.page(self.rows(), conditions, lambda rows: [words(one) for one in rows]))


class OneNode(_Nodes):
    @described(NodeFacts, codes=ONE)
    def get(self, request: Request, number: str) -> Response:
        """One peer."""
        return Response(words(lists.one(self.rows(), int(number))))


class Echo(_Nodes):
    @described(EchoAnswer, acts.Comment, codes=ACT)
    def post(self, request: Request, number: str) -> Response:
        """Ask it for a C-ECHO, now. That it does not answer is an answer."""
        node = lists.one(self.rows(), int(number))
        acts.why(request)
        with seats.taken(_asking, BUSY, 1.0):
            return Response(echoed(node))


def echoed(node: Node) -> dict[str, Any]:
    from proxy.network.scu import echo  # noqa: PLC0415 - brings the network along
    from proxy.routing.peers import peer_of  # noqa: PLC0415

    said = echo(peer_of(node, PATIENCE))
    return {"answers": said.ok, "why": said.reason, "milliseconds": round(said.took_ms)}


def words(node: Node) -> dict[str, Any]:
    return {
        "number": node.pk,
        "name": node.name,
        "ae_title": node.ae_title,
        "host": node.host,
        "port": node.port,
        "may": node.may,
        "view": node.view,
        "projects": sorted(one.name for one in node.projects.all()),
        "tls": node.tls,
        "is_outside": node.outside,
        "is_in_force": not node.is_retired,
    }

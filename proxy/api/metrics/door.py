"""Who may scrape: METRICS_NETWORKS, this machine alone unless the site says more."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from proxy.api.doors import Door, caller
from proxy.api.metrics.figures import figures
from proxy.api.problems import Problem
from proxy.callers import is_among

ELSEWHERE: Final = "Figures are told to METRICS_NETWORKS only, and this address is none of them."


class FromNetworks(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        if not is_among(caller(request).address, settings.METRICS_NETWORKS):
            raise Problem(403, "off-site", ELSEWHERE)
        return True


class Figures(Collector):
    def collect(self) -> Iterator[Metric]:
        return figures()


class Metrics(Door):
    """In whichever of its forms Prometheus asks for."""

    schema = None  # its form is Prometheus' own
    permission_classes = (FromNetworks,)

    def get(self, request: Request) -> HttpResponse:
        registry = CollectorRegistry()
        registry.register(Figures())
        encode, kind = choose_encoder(request.META.get("HTTP_ACCEPT", ""))
        return HttpResponse(encode(registry), content_type=kind)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return super().perform_content_negotiation(request, force=True)

"""Doors for tests of what all doors of DICOMweb have in common."""

import json
from collections.abc import Iterator
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import re_path
from rest_framework.request import Request

from proxy.dicomweb import answers
from proxy.dicomweb.askers import asker
from proxy.dicomweb.doors import Door, by_method
from proxy.dicomweb.negotiation import JSON, PLAIN_JSON, RELATED, Offer
from proxy.routing.match import FIND, RETRIEVE, STORE

LONG = [{"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}}] * 100


def said(request: Request, model: Any, media: str) -> HttpResponseBase:
    return answers.packed(request, HttpResponse(json.dumps(model).encode(), content_type=media))


class Finds(Door):
    right = FIND
    offers = (JSON, PLAIN_JSON)

    def get(self, request: Request) -> HttpResponseBase:
        one = asker(request)
        model: Any = LONG if request.query_params.get("long") else [{"who": str(one)}]
        return said(request, model, self.choices[0].offer.name)


class Stores(Door):
    right = STORE

    def post(self, request: Request) -> HttpResponseBase:
        route = asker(request).route
        return said(request, [{"project": route.project_name if route else ""}], JSON.name)


class Gives(Door):
    right = RETRIEVE
    offers = (Offer(RELATED, "application/dicom"), JSON)

    def get(self, request: Request) -> HttpResponseBase:
        best = self.choices[0]
        return answers.streamed(request, self._pieces(), f"{best.offer.name}|{best.syntax}", packs=True)

    def _pieces(self) -> Iterator[bytes]:
        yield b"one" * 1000
        yield b"two"


urlpatterns = [
    re_path(r"^dicomweb/studies/?$", by_method(get=Finds, post=Stores)),
    re_path(r"^dicomweb/images$", Gives.as_view()),
]

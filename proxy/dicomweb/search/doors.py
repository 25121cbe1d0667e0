"""`GET /dicomweb/studies`, `series`, `instances`, and below a study or series (QIDO-RS, PS3.18 10.6)."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from proxy.api.problems import Problem
from proxy.dicomweb import refusing
from proxy.dicomweb.addresses import root
from proxy.dicomweb.answers import streamed
from proxy.dicomweb.askers import asker
from proxy.dicomweb.doors import Door
from proxy.dicomweb.heads import ForReaders
from proxy.dicomweb.search import answers, asking
from proxy.retrieval.query.attributes import IMAGE, SERIES, STUDY
from proxy.retrieval.views import View
from proxy.routing.match import FIND

KEYS: Final = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID"}
"""From what the address names to the unique key that it is."""


class Search(ForReaders, Door):
    """`level` is what is searched for."""

    right = FIND
    level: ClassVar[str] = STUDY

    def get(self, request: Request, **named: Any) -> HttpResponseBase:
        above = {KEYS[one]: str(value) for one, value in named.items()}
        asked = _read(self.level, above, request.META.get("QUERY_STRING", ""))
        with refusing.said():
            found = answers.found(_view(request), asked, above, root(request), settings.DICOM_FIND_MAX)
        answer = streamed(request, found.pieces, self.choices[0].offer.name, packs=True)
        if found.warnings:
            answer.headers["Warning"] = ", ".join(f'299 postern "{one}"' for one in found.warnings)
        return answer


class SearchStudies(Search):
    level = STUDY


class SearchSeries(Search):
    level = SERIES


class SearchInstances(Search):
    level = IMAGE


def _read(level: str, above: Mapping[str, str], query: str) -> asking.Asked:
    try:
        return asking.read(level, above, query)
    except asking.Unclear as unclear:
        raise Problem(400, "senseless", str(unclear)) from None


def _view(request: Request) -> View:
    view = asker(request).view
    if view is None:
        raise Problem(403, "no-right", refusing.NOT_NOW)
    return view

"""Where each door is (PS3.18 10.1), with or without a slash at the end. A door that both stores and searches is two."""

from typing import Final

from django.urls import re_path

from proxy.api.missing import Missing
from proxy.dicomweb.doors import by_method
from proxy.dicomweb.search import doors as search
from proxy.dicomweb.store.views import Store

ROOT: Final = r"^dicomweb"
STUDY: Final = r"studies/(?P<study>[0-9.]{1,64})"
SERIES: Final = rf"{STUDY}/series/(?P<series>[0-9.]{{1,64}})"

reading = [
    re_path(rf"{ROOT}/series/?$", search.SearchSeries.as_view()),
    re_path(rf"{ROOT}/instances/?$", search.SearchInstances.as_view()),
    re_path(rf"{ROOT}/{STUDY}/series/?$", search.SearchSeries.as_view()),
    re_path(rf"{ROOT}/{STUDY}/instances/?$", search.SearchInstances.as_view()),
    re_path(rf"{ROOT}/{SERIES}/instances/?$", search.SearchInstances.as_view()),
]
urlpatterns = [
    re_path(rf"{ROOT}/studies/?$", by_method(get=search.SearchStudies, post=Store)),
    re_path(rf"{ROOT}/{STUDY}/?$", Store.as_view()),
    *reading,
    re_path(rf"{ROOT}(?:/.*)?$", Missing.as_view()),
]

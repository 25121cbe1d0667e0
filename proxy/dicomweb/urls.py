"""Where each door is (PS3.18 10.1), with or without a slash at the end. A door that both stores and searches is two."""

from typing import Final

from django.urls import re_path

from proxy.api.missing import Missing
from proxy.dicomweb.doors import by_method
from proxy.dicomweb.giving import doors as giving
from proxy.dicomweb.search import doors as search
from proxy.dicomweb.store.views import Store

ROOT: Final = r"^dicomweb"
STUDY: Final = r"studies/(?P<study>[0-9.]{1,64})"
SERIES: Final = rf"{STUDY}/series/(?P<series>[0-9.]{{1,64}})"
INSTANCE: Final = rf"{SERIES}/instances/(?P<instance>[0-9.]{{1,64}})"

FRAMES: Final = rf"{INSTANCE}/frames/(?P<frames>[0-9,]{{1,8000}})"
BULK: Final = rf"{INSTANCE}/bulkdata/(?P<path>[0-9A-Fa-f/]{{1,1000}})"
IMAGES: Final = (STUDY, SERIES, INSTANCE)

reading = [
    re_path(rf"{ROOT}/series/?$", search.SearchSeries.as_view()),
    re_path(rf"{ROOT}/instances/?$", search.SearchInstances.as_view()),
    re_path(rf"{ROOT}/{STUDY}/series/?$", search.SearchSeries.as_view()),
    re_path(rf"{ROOT}/{STUDY}/instances/?$", search.SearchInstances.as_view()),
    re_path(rf"{ROOT}/{SERIES}/instances/?$", search.SearchInstances.as_view()),
    re_path(rf"{ROOT}/{SERIES}/?$", giving.Images.as_view()),
    re_path(rf"{ROOT}/{INSTANCE}/?$", giving.OneImage.as_view()),
    re_path(rf"{ROOT}/{FRAMES}/?$", giving.Frames.as_view()),
    re_path(rf"{ROOT}/{BULK}$", giving.Bulk.as_view()),
    *(re_path(rf"{ROOT}/{one}/metadata/?$", giving.Metadata.as_view()) for one in IMAGES),
    *(re_path(rf"{ROOT}/{one}/rendered/?$", giving.Rendered.as_view()) for one in (*IMAGES, FRAMES)),
    *(re_path(rf"{ROOT}/{one}/thumbnail/?$", giving.Thumbnail.as_view()) for one in (*IMAGES, FRAMES)),
]
urlpatterns = [
    re_path(rf"{ROOT}/studies/?$", by_method(get=search.SearchStudies, post=Store)),
    re_path(rf"{ROOT}/{STUDY}/?$", by_method(get=giving.Images, post=Store)),
    *reading,
    re_path(rf"{ROOT}(?:/.*)?$", Missing.as_view()),
]

"""Where each door is (PS3.18 10.1), with or without a slash at the end."""

from typing import Final

from django.urls import re_path

from proxy.api.missing import Missing
from proxy.dicomweb.store.views import Store

ROOT: Final = r"^dicomweb"
STUDY: Final = r"studies/(?P<study>[0-9.]{1,64})"

urlpatterns = [
    re_path(rf"{ROOT}/studies/?$", Store.as_view()),
    re_path(rf"{ROOT}/{STUDY}/?$", Store.as_view()),
    re_path(rf"{ROOT}(?:/.*)?$", Missing.as_view()),
]

"""Where each door of `/v1` is. Numbers are ours: no UID and no name stands in an address."""

from django.urls import re_path

from proxy.api.missing import Missing
from proxy.api.v1 import audit

urlpatterns = [
    re_path(r"^v1/audit/?$", audit.Audit.as_view(), name="v1-audit"),
    re_path(r"^v1/audit/verify/?$", audit.Verify.as_view(), name="v1-audit-verify"),
    re_path(r"^v1(?:/.*)?$", Missing.as_view()),  # last
]

"""Where each door is. With or without a slash at the end: a redirect would lose what was posted."""

from django.urls import include, path, re_path

from proxy.api import identities
from proxy.api.description import Description, Document
from proxy.api.house import Health
from proxy.api.metrics.door import Metrics
from proxy.api.missing import Missing
from proxy.api.status import Status

PHI = r"^api/phi-metadata"

urlpatterns = [
    re_path(r"^api/health/?$", Health.as_view(), name="api-health"),
    re_path(r"^ready/?$", Health.as_view(schema=None), name="ready"),
    re_path(r"^metrics/?$", Metrics.as_view(), name="metrics"),
    re_path(r"^api/status/?$", Status.as_view(), name="api-status"),
    re_path(rf"{PHI}/?$", identities.Whole.as_view(), name="api-phi"),
    re_path(rf"{PHI}/patient/?$", identities.Patient.as_view(), name="api-phi-patient"),
    re_path(rf"{PHI}/study/?$", identities.Study.as_view(), name="api-phi-study"),
    re_path(rf"{PHI}/series/?$", identities.Series.as_view(), name="api-phi-series"),
    re_path(rf"{PHI}/patient/batch/?$", identities.Patients.as_view(), name="api-phi-patients"),
    re_path(rf"{PHI}/study/batch/?$", identities.Studies.as_view(), name="api-phi-studies"),
    re_path(rf"{PHI}/series/batch/?$", identities.SeriesMany.as_view(), name="api-phi-series-batch"),
    re_path(r"^docs/?$", Description.as_view(), name="api-docs"),
    re_path(r"^docs/openapi\.json$", Document.as_view(), name="api-document"),
    path("", include("proxy.api.v1.urls")),
    re_path(r"^api(?:/.*)?$", Missing.as_view()),
]

"""Where each door is. With or without a slash at the end: a redirect would lose what was posted."""

from django.urls import re_path

from proxy.api.house import Health
from proxy.api.missing import Missing

urlpatterns = [
    re_path(r"^api/health/?$", Health.as_view(), name="api-health"),
    re_path(r"^api(?:/.*)?$", Missing.as_view()),
]

"""Which images whoever asks may know of: those that may leave the house, of projects in view.

What a person is to look at first, or has rejected or held, and series that never leave, are not out there; what expired
is gone.
"""

from django.db.models import Q, QuerySet

from proxy.retrieval.views import View
from proxy.studies.lifecycle import COMPLETE, DELIVERED, RECEIVING, RELEASED
from proxy.studies.models import Instance

OUT = (RELEASED, DELIVERED)
ON_ITS_WAY = (RECEIVING, COMPLETE)


def of_revision(prefix: str = "revision__") -> Q:
    """The condition on an instance's revision; `prefix` leads to it."""
    return may_leave(prefix) & Q(**{f"{prefix}study__held_at": None})


def may_leave(prefix: str) -> Q:
    """The condition on a revision of a study that nobody holds."""
    out = Q(**{f"{prefix}state__in": OUT})
    coming = {f"{prefix}state__in": ON_ITS_WAY, f"{prefix}series": None, f"{prefix}route__review": False}
    return out | Q(**coming)


def instances(view: View) -> "QuerySet[Instance]":
    return Instance.objects.filter(of_revision(), view.limits("project_id"))

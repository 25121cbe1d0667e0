"""In which projects a user of the backend may see who somebody is: as somebody on site has said, and until when."""

from datetime import date

from django.db.models import Q

from proxy.backend.models import UserRight
from proxy.backend.users import BackendUser


def projects_of(user: BackendUser, today: date) -> frozenset[int]:
    """By number. Empty: nowhere, which is what holds until a person gives a right."""
    theirs = Q(whom=UserRight.USER, name=user.id) | Q(whom=UserRight.ROLE, name__in=sorted(user.roles))
    in_force = Q(until__gte=today, project__retired_at=None)
    return frozenset(UserRight.objects.filter(theirs & in_force).values_list("project_id", flat=True))

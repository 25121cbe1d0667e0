"""`GET /api/status/`: how we are set up and how much is here, for the backend and its users. Counts, and no person."""

from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import house
from proxy.api.answers import KNOWN, StatusAnswer, described
from proxy.api.authentication import ProxyKey, UserToken
from proxy.api.doors import Door
from proxy.api.permissions import Somebody
from proxy.backend import remembered, rights
from proxy.backend.models import BackendNode, Standing
from proxy.backend.users import BackendUser
from proxy.deliveries.lifecycle import CLAIMED, REFUSED, WAITING
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination
from proxy.studies.models import Series, Study


class Status(Door):
    authentication_classes = (UserToken, ProxyKey)
    permission_classes = (Somebody,)

    @described(StatusAnswer, codes=KNOWN)
    def get(self, request: Request) -> Response:
        """How we are set up and how much is here: counts, and no person."""
        look = house.looker.look()
        return Response(
            {
                **house.said(look),
                "version": settings.PROXY_VERSION,
                "timestamp": timezone.now().isoformat(timespec="seconds"),
                "user": user_of(request.user),
                "proxy": proxy(),
                "dicom": dicom(),
                "nodes": nodes(),
                "database": {"sessions": Study.objects.count(), "scans": Series.objects.count()},
                "deliveries": deliveries(),
                "quarantine": HeldItem.objects.filter(state="held", file_gone_at=None).count(),
            }
        )


def user_of(user: object) -> dict[str, Any] | None:
    """And in how many projects they may see who somebody is; None for the backend itself."""
    if not isinstance(user, BackendUser):
        return None
    projects = rights.projects_of(user, timezone.now().date())
    return {
        "user_id": user.id,
        "name": user.name,
        "roles": sorted(user.roles),
        "identity_projects": len(projects),
    }


def proxy() -> dict[str, Any]:
    told = remembered.last_known()
    row = Standing.objects.filter(pk=1).first()
    return {
        "proxy_id": told.proxy_id or None,
        "name": told.name or None,
        "workspace_id": told.workspace_id or None,
        "is_active": row.is_active if row is not None else True,
        "is_connected": row is not None and row.connected_at is not None,
    }


def dicom() -> dict[str, Any]:
    return {
        "ae_title": settings.DICOM_AE_TITLE,
        "port": settings.DICOM_PORT,
        "mode": settings.DICOM_MODE,
        "anonymization_enabled": remembered.anonymizes(),
    }


def nodes() -> dict[str, int]:
    active = Q(is_active=True)
    return BackendNode.objects.aggregate(
        total=Count("pk"),
        active=Count("pk", filter=active),
        reachable=Count("pk", filter=active & Q(is_reachable=True)),
        unreachable=Count("pk", filter=active & Q(is_reachable=False)),
    )


def deliveries() -> dict[str, int]:
    """Those that have not ended, by state; by destination, so that none of the millions that have is looked at."""
    rows = Delivery.objects.filter(destination__in=list(Destination.objects.values_list("pk", flat=True)))
    alive = rows.filter(state__in=[WAITING, CLAIMED, REFUSED]).order_by("state")
    return dict(alive.values_list("state").annotate(Count("pk")))

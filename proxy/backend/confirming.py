"""What a person on site decides about a node of the backend. Each decision leaves a mark."""

from datetime import datetime

from django.db import transaction

from proxy.backend.keeping import make_so_again
from proxy.backend.models import BackendNode
from proxy.routing.audited import tell
from proxy.routing.models import BACKEND, Node


def confirm(row: BackendNode, by: str, now: datetime) -> bool | str:
    """This address is what it says: from now on a person may give it the identified view, on the node's page."""
    if row.node is None or not row.is_active:
        return "it is not in force."
    if row.node.origin != BACKEND:
        return "it is a node of the site, which knows it already."
    with transaction.atomic():
        mine = BackendNode.objects.filter(pk=row.pk, node=row.node, confirmed_at=None)
        same = Node.objects.filter(
            pk=row.node.pk, ae_title=row.node.ae_title, host=row.node.host, port=row.node.port
        )
        if not same.exists() or not mine.update(confirmed_at=now, confirmed_by=by[:150]):
            return False
        place = f"{row.node.ae_title} at {row.node.host}:{row.node.port}"
        tell(by, [f"node {row.node} of the backend confirmed as {place}"], f"node {row.node}")
    return True


def bar(row: BackendNode, by: str, now: datetime) -> bool:
    """Out of force, whatever the backend says, until a person admits it again."""
    with transaction.atomic():
        if not BackendNode.objects.filter(pk=row.pk, barred_at=None).update(barred_at=now):
            return False
        make_so_again(now)
        tell(by, [f"node {row} of the backend barred"], f"backend node {row}")
    return True


def admit(row: BackendNode, by: str, now: datetime) -> bool:
    with transaction.atomic():
        if not BackendNode.objects.filter(pk=row.pk, barred_at__isnull=False).update(barred_at=None):
            return False
        make_so_again(now)
        tell(by, [f"node {row} of the backend admitted again"], f"backend node {row}")
    return True


def may_see_identities(node: Node) -> bool:
    """Whether a person may give this node the identified view."""
    if node.origin != BACKEND:
        return True
    return BackendNode.objects.filter(node=node, confirmed_at__isnull=False).exists()

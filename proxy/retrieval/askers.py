"""Users as principals: what they may, and in which projects a second person has to approve."""

from collections.abc import Callable

from proxy.routing.models import Project
from proxy.vault.reidentify import Principal


def asker(name: str, may: Callable[[str], bool], account: str = "") -> Principal:
    watched = Project.objects.filter(second_approver=True).values_list("pk", flat=True)
    return Principal(name, may, watched=frozenset(watched), account=account)

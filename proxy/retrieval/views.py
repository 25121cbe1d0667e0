"""What a node may see when it asks: pseudonyms, or real values (DESIGN: views per node).

Everything is limited to the node's projects. The identified view acts under the node's standing grant, which says its
purpose and its last day, and only for a caller about whom more is proven than an AE title: a certificate, or an
address in one of the networks that the site gave this node.
"""

from dataclasses import dataclass
from datetime import date

from django.db.models import Q

from proxy.routing.match import NodeFacts
from proxy.routing.models import Node
from proxy.vault.reidentify import VIEW, Principal


@dataclass(frozen=True, slots=True)
class Grant:
    """On whose behalf, and why, identities are looked at."""

    principal: Principal
    purpose: str


@dataclass(frozen=True, slots=True)
class View:
    """`projects` empty means all of them; `grant` None means the pseudonymous view."""

    node: str
    projects: frozenset[int]
    grant: Grant | None = None

    @property
    def is_identified(self) -> bool:
        return self.grant is not None

    def limits(self, column: str = "project_id") -> Q:
        """The condition on a project's column that keeps everything else out of sight."""
        return Q(**{f"{column}__in": self.projects}) if self.projects else Q()

    def lesser(self, other: "View") -> "View":
        """What both may see: where one is pseudonymous, so is the other."""
        grant = self.grant if other.is_identified else None
        return View(self.node, _common(self.projects, other.projects), grant)


NO_PROJECT = frozenset({0})  # a number that no project has


def _common(one: frozenset[int], other: frozenset[int]) -> frozenset[int]:
    if not one or not other:
        return one | other
    return one & other or NO_PROJECT


def view_of(node: NodeFacts, today: date) -> View | None:
    """For a caller that was recognised as this node (`Table.node_for`).

    None: it is to see who somebody is, and lacks what that takes. It sees nothing then: pseudonyms in the place of the
    names that it expects would be taken for persons.
    """
    if node.view != Node.IDENTIFIED:
        return View(node.name, node.project_ids)
    grant = _grant(node, today)
    return View(node.name, node.project_ids, grant) if grant else None


def _grant(node: NodeFacts, today: date) -> Grant | None:
    if not (node.certificate or node.networks) or not node.project_ids or not node.grant:
        return None
    if date.fromisoformat(node.grant["until"]) < today:
        return None
    name = f"node {node.name}" + (f" ({node.certificate})" if node.certificate else "")
    return Grant(Principal(name, lambda permission: permission == VIEW), node.grant["purpose"])

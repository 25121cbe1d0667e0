"""Who asks: a node by its token, alone or as the password of HTTP Basic; or a customer of the service by their key.

`Asker` is what every door works with: what they may, what they may see, and which way goes what they bring. It is made
of the site's configuration at each request, as an association is judged when it is opened.
"""

import base64
import binascii
import re
import time
from dataclasses import dataclass
from typing import Any, Final

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from proxy.api import authentication
from proxy.api.doors import caller
from proxy.api.keyholders import CustomerKey
from proxy.api.problems import Problem
from proxy.backend.remembered import load_table
from proxy.retrieval.views import View, view_of
from proxy.routing import tokens
from proxy.routing.match import FIND, RETRIEVE, STORE, NodeFacts, RouteFacts, SnapshotCache, Table
from proxy.routing.models import NodeToken
from proxy.tiers import keys
from proxy.tiers.models import Customer

BASIC: Final = re.compile(r"(?i:basic) +([A-Za-z0-9+/]+=*)")  # RFC 7617 2
ALL: Final = frozenset({STORE, FIND, RETRIEVE})
INACTIVE: Final = "The backend has set this proxy inactive; nobody comes in."
OFF_SITE: Final = "The site says from which networks this node may call, and this is none of them."

cache = SnapshotCache(load_table)


@dataclass(frozen=True, slots=True)
class Asker:
    """`view` None: they are to see who somebody is, and lack what that takes. They see nothing then.

    `route` None: nothing can be stored, because no route goes where their token says.
    """

    name: str
    may: frozenset[str]
    view: View | None
    node: NodeFacts | None
    route: RouteFacts | None
    customer: Customer | None = None

    def __str__(self) -> str:
        return self.name


class NodeSecret(BaseAuthentication):
    """`Authorization: Bearer TOKEN`, or Basic with the token as password and any user."""

    def authenticate(self, request: Request) -> tuple[Asker, None] | None:
        said = request.META.get("HTTP_AUTHORIZATION", "")
        if not said:
            return None
        authentication.spare(request)
        row = tokens.known(presented(said), timezone.now())
        node = _node_of(table(), row) if row is not None else None
        if row is None or node is None:
            raise authentication.failed(request)
        if node.networks and node.closeness(caller(request).address) < 0:
            raise Problem(403, "off-site", OFF_SITE)
        return asker_of(table(), node, row.called_ae), None

    def authenticate_header(self, request: Request) -> str:
        return authentication.CHALLENGE


class CustomerSecret(CustomerKey):
    """`X-API-Key`. Customers have one project, see what is in it without names, and store by the route into it."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        found = super().authenticate(request)
        return None if found is None else (customer_of(table(), found[0].customer), None)


def customer_of(found: Table, customer: Customer) -> Asker:
    name, project = keys.subject(customer), customer.project_id
    routes = [route for route in found.routes.values() if route.project_id == project]
    return Asker(
        name=name,
        may=ALL,
        view=View(name, frozenset({project})),
        node=None,
        route=min(routes, key=lambda route: route.id, default=None),
        customer=customer,
    )


def presented(said: str) -> str:
    """The token that is in an Authorization header; empty where none is."""
    if len(said) > authentication.LONGEST:
        return ""
    if bearer := authentication.TOKEN.fullmatch(said):
        return bearer[1]
    basic = BASIC.fullmatch(said)
    return _password(basic[1]) if basic else ""


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def table() -> Table:
    """Raises the 503 of a house that is closed."""
    found = cache.get(time.monotonic())
    if found.is_closed:
        raise Problem(503, "inactive", INACTIVE)
    return found


def _node_of(found: Table, row: NodeToken) -> NodeFacts | None:
    """In that table it is under its own AE title; None: the table is a second older than the node."""
    same_title = found.nodes.get(row.node.ae_title.strip(" "), ())
    return next((one for one in same_title if one.id == row.node_id), None)


def asker_of(found: Table, node: NodeFacts, called_ae: str) -> Asker:
    return Asker(
        name=f"node {node.name}",
        may=node.may,
        view=view_of(node, timezone.now().date()),
        node=node,
        route=found.route_for(called_ae, node.ae_title),
    )


def asker(request: Request) -> Asker:
    """Whom the door has let in."""
    found: Any = request.user
    if not isinstance(found, Asker):
        raise TypeError("A door of DICOMweb let somebody in who is no asker.")
    return found


def is_identified(one: Asker) -> bool:
    return one.view is not None and one.view.is_identified

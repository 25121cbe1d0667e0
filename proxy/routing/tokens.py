"""Tokens of nodes: what a node shows over HTTP, where no association says who calls whom.

A token is shown once, when it is made; here is only its digest. It is random and long, so that an unkeyed digest is
enough and looking it up tells nobody anything. What it says, a node and the AE title that is called, is looked up each
time: who changes the node changes what its tokens are good for.
"""

import hashlib
import re
import secrets
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from proxy.audit import actions
from proxy.audit.record import record
from proxy.routing.models import Node, NodeToken

PREFIX: Final = "postern_"
TOKEN: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
USED_EVERY: Final = timedelta(hours=1)


def make(
    node: Node, called_ae: str, by: str, now: datetime, until: date | None = None
) -> tuple[NodeToken, str]:
    """And the token itself, which nobody can say a second time."""
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        row = NodeToken.objects.create(
            node=node, called_ae=called_ae, digest=digest(secret), made_at=now, made_by=by[:150], until=until
        )
        _mark(actions.ACCESS_GIVEN, by, row)
    return row, secret


def known(presented: str, now: datetime) -> NodeToken | None:
    """The token, if it is in force; once an hour its use leaves a mark."""
    if not TOKEN.fullmatch(presented):
        return None
    rows = NodeToken.objects.select_related("node")
    row = rows.filter(
        Q(until=None) | Q(until__gte=now.date()),
        digest=digest(presented),
        withdrawn_at=None,
        node__retired_at=None,
    ).first()
    if row is not None and (row.used_at is None or now - row.used_at >= USED_EVERY):
        _used(row, now)
    return row


def withdraw(token_id: int, by: str, now: datetime) -> bool:
    """False: there is no such token in force."""
    with transaction.atomic():
        changed = NodeToken.objects.filter(pk=token_id, withdrawn_at=None).update(withdrawn_at=now)
        if changed:
            _mark(actions.ACCESS_WITHDRAWN, by, NodeToken.objects.select_related("node").get(pk=token_id))
    return bool(changed)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _used(row: NodeToken, now: datetime) -> None:
    with transaction.atomic():
        if NodeToken.objects.filter(pk=row.pk, used_at=row.used_at).update(used_at=now):
            _mark(actions.ACCESS_USED, f"node {row.node.name}", row)


def _mark(action: str, actor: str, row: NodeToken) -> None:
    detail = {"token": row.pk, "called_ae": row.called_ae}
    if row.until is not None:
        detail["until"] = row.until.isoformat()
    record(action, actor=actor, subject=f"node {row.node.name}", detail=detail)

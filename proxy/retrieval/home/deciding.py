"""What persons decide: look again at a held result, send one again, give one up."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from proxy.audit.actions import DELIVERY_CHANGED
from proxy.audit.record import record
from proxy.deid.homeward import mentions, parts_of
from proxy.quarantine import keeping as quarantine
from proxy.quarantine.decide import is_over
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.retrieval.home import keeping
from proxy.retrieval.home.arriving import CODE, AlreadyDecided, Arrival, Freed, arrive
from proxy.retrieval.home.lifecycle import LIFE, WAITING
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.match import NodeFacts, RouteFacts, load_table
from proxy.storage.files import remove
from proxy.vault.projects import wrapping


class StaysHeld(Exception):
    """Why a held result cannot go home now, as a sentence for a person."""


DECIDED = "Somebody else has decided about this result a moment ago."


def is_result(item: HeldItem) -> bool:
    return item.code.startswith(CODE)


def look_again(item: HeldItem, by: str) -> str:
    """Its study may have come meanwhile, or a destination; nobody says by hand of whom it is."""
    if item.state != HELD:
        raise StaysHeld(f"This result is not held any more: it was {item.state}.")
    route, node = _facts(item)
    unwrap = wrapping(item.project_id)[1]
    data = b"".join(quarantine.original(item.path, unwrap))
    said = mentions(parts_of(data, item.transfer_syntax, keeping.limits()))
    try:
        hold = arrive(Arrival(route, node, item.transfer_syntax, data, said), Freed(item, by))
    except AlreadyDecided:
        raise StaysHeld(DECIDED) from None
    if hold is not None:
        raise StaysHeld(hold.reason)
    if not is_over(item, by):
        raise StaysHeld(DECIDED)
    remove(quarantine.folder() / item.path)
    return "The result belongs to a study now and goes home."


def _facts(item: HeldItem) -> tuple[RouteFacts, NodeFacts]:
    table = load_table()
    routes = [route for route in table.routes.values() if route.id == item.route_id]
    nodes = [node for group in table.nodes.values() for node in group if node.id == item.node_id]
    if not routes or not nodes:
        raise StaysHeld("The route or the node of this result is retired; reinstate it first.")
    return routes[0], nodes[0]


EXPIRED = "it was home long enough, and its file has gone; let its sender send it under a new UID."


def retry(row: Homecoming, by: str, now: datetime) -> bool | str:
    """Send it now, or once more. False: it is being sent at this moment; a text: why it cannot be."""
    fresh = {"next_try_at": now, "finished_at": None, "tries": 0, "reason": ""}
    mine = Homecoming.objects.filter(pk=row.pk)
    with transaction.atomic():
        if Result.objects.select_for_update(no_key=True).get(pk=row.result_id).expired_at:
            return EXPIRED
        again = LIFE.move(mine, "again", **fresh) or mine.filter(state=WAITING).update(next_try_at=now)
        if again:
            _mark("retry", row, by)
    return bool(again)


def drop(row: Homecoming, by: str, why: str = "") -> bool:
    with transaction.atomic():
        dropped = LIFE.move(Homecoming.objects.filter(pk=row.pk), "drop", finished_at=timezone.now())
        if dropped:
            _mark("drop", row, by, why)
    return bool(dropped)


def _mark(decision: str, row: Homecoming, by: str, why: str = "") -> None:
    detail = {"decision": decision, "destination": row.destination.name, "result": row.result.uid}
    record(DELIVERY_CHANGED, actor=by, subject=row.result.study_uid, purpose=why, detail=detail)

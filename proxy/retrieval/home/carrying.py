"""Bring results home: claim, send, keep the outcome. What is claimed by one who died is taken up again.

A destination that is away costs nobody a look at an identity: a result is restored when the association stands. It
rests, is probed, and keeps to its hours for results as for deliveries (`routing/breaker.py`); what one of them found
out about it holds for the other.
"""

import logging
import random
import secrets
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from proxy import sql
from proxy.deid import DeidError
from proxy.deid.homeward import Unfit
from proxy.network import scu
from proxy.retrieval.home import restoring
from proxy.retrieval.home.lifecycle import CLAIMED, LIFE, WAITING
from proxy.retrieval.home.whither import identified
from proxy.retrieval.models import Homecoming
from proxy.routing import backoff, breaker
from proxy.routing.models import Destination
from proxy.routing.peers import peer_of
from proxy.storage.errors import SealBroken
from proxy.vault.pseudonyms import Forgotten

log = logging.getLogger(__name__)

NOT_ALLOWED = (
    "This destination has not the identified view, or its grant has ended; change the site, then retry."
)
GONE = "The person was forgotten: nothing leads back any more."
BROKEN = "It could not be restored from its seals; run doctor."
OUR_FAULT = "It stopped by a fault of Postern's own; the log says where."


@dataclass(frozen=True, slots=True)
class _Answer:
    """`ours`: it tells nothing about the destination."""

    verdict: scu.Verdict
    reason: str
    ours: bool = False


def carry_to(destination_id: int, now: datetime, holder: str) -> int:
    """Send what is due there, one by one; how many arrived. `holder` stands on the claims, and is nobody else's."""
    arrived = 0
    for row in _claimed(destination_id, now, holder):
        answer = _sent(row)
        _finish(row, answer)
        _note_health(destination_id, answer)
        arrived += answer.verdict == "stored"
        if answer.verdict == "later":
            break
    return arrived


def due(now: datetime) -> list[int]:
    """Destinations for which something is due; what a dead process held is freed first."""
    if not _ANY_DUE.any(now):  # as it is once a second
        return []
    LIFE.move(Homecoming.objects.filter(lease_until__lt=now), "rescue", next_try_at=now, lease_until=None)
    rows = Homecoming.objects.filter(state=WAITING, next_try_at__lte=now)
    waiting = set(rows.order_by().values_list("destination_id", flat=True).distinct())
    return sorted(one for one in waiting if breaker.is_usable(one, now))


def _due(now: datetime) -> "QuerySet[Homecoming]":
    late = Q(state=CLAIMED, lease_until__lt=now)
    return Homecoming.objects.filter(late | Q(state=WAITING, next_try_at__lte=now))


_ANY_DUE: Final = sql.Standing(_due)


def hold(destination_id: int, holder: str) -> None:
    """Renew the lease of what is being sent."""
    mine = Homecoming.objects.filter(state=CLAIMED, destination_id=destination_id, token=holder)
    mine.update(lease_until=_lease_end())


def _lease_end() -> datetime:
    return timezone.now() + timedelta(seconds=settings.DELIVERY_LEASE)


def _claimed(destination_id: int, now: datetime, holder: str) -> Iterator[Homecoming]:
    rows = Homecoming.objects.filter(state=WAITING, destination_id=destination_id, next_try_at__lte=now)
    for pk in list(rows.order_by("pk").values_list("pk", flat=True)[:100]):
        if not breaker.is_usable(destination_id, max(now, timezone.now())):
            return
        mine = Homecoming.objects.filter(pk=pk, next_try_at__lte=now)
        if LIFE.move(mine, "claim", token=holder, lease_until=_lease_end()):
            related = ("result__node", "destination__node")
            yield Homecoming.objects.select_related(*related).get(pk=pk)


def _sent(row: Homecoming) -> _Answer:
    result, node = row.result, row.destination.node
    if node is None or not identified([row.destination_id], result.project_id, timezone.now().date()):
        return _refused(NOT_ALLOWED)
    outgoing = scu.Outgoing(
        0,
        result.sop_class,
        result.uid,
        result.transfer_syntax,
        source=lambda: restoring.restored_data(result),
    )
    told: list[scu.SendResult] = []
    try:
        scu.send(peer_of(node), [outgoing], told.append, lambda: True)
    except Unfit as trouble:
        return _refused(str(trouble))
    except Forgotten:
        return _refused(GONE)
    except (DeidError, SealBroken) as trouble:
        return _refused(f"{BROKEN} ({type(trouble).__name__})")
    except Exception as trouble:
        return _surprise(row, trouble)
    return _Answer(told[0].verdict, told[0].reason)


def _refused(reason: str) -> _Answer:
    """By us: whoever is there was asked for nothing, or could not be given it."""
    return _Answer("refused", reason, ours=True)


def _surprise(row: Homecoming, trouble: Exception) -> _Answer:
    """The place and the kind are logged, not the message: it could quote anything."""
    where = traceback.extract_tb(trouble.__traceback__)[-1]
    log.error("homecoming %s: %s in %s line %s", row.pk, type(trouble).__name__, where.name, where.lineno)
    if isinstance(trouble, DatabaseError | InterfaceError):
        connections.close_all()
    return _Answer("later", f"{OUR_FAULT} ({type(trouble).__name__})", ours=True)


def _note_health(destination_id: int, answer: _Answer) -> None:
    """Trouble of our own says nothing about a destination."""
    if answer.ours:
        return
    now = timezone.now()
    with transaction.atomic():
        destination = Destination.objects.select_for_update(no_key=True).get(pk=destination_id)
        if answer.verdict == "later":
            breaker.failed(destination, answer.reason[:255], now, random.random())
        else:
            breaker.got_through(destination, now)


def _finish(row: Homecoming, answer: _Answer) -> None:
    """Nothing, if the lease was lost meanwhile: then somebody else has it."""
    now = timezone.now()
    mine = Homecoming.objects.filter(pk=row.pk, token=row.token)
    free = {"lease_until": None, "token": "", "reason": answer.reason[:255]}
    if answer.verdict == "stored":
        LIFE.move(mine, "delivered", finished_at=now, **free)
    elif answer.verdict == "refused":
        LIFE.move(mine, "refused", finished_at=now, **free)
    else:
        pause = backoff.pause(row.tries + 1, breaker.pace(), 0.0)
        LIFE.move(mine, "later", next_try_at=now + pause, tries=row.tries + 1, **free)
    log.info("homecoming %s: %s", row.pk, answer.reason or answer.verdict)


class Carrier:
    """A thread for each destination that has something due: one that is slow keeps no other waiting."""

    def __init__(self) -> None:
        self._busy: dict[int, _Errand] = {}

    def look(self) -> None:
        self._busy = {key: errand for key, errand in self._busy.items() if errand.is_alive()}
        for errand in self._busy.values():
            hold(errand.destination_id, errand.holder)
        for destination_id in due(timezone.now()):
            if destination_id not in self._busy:
                self._busy[destination_id] = errand = _Errand(destination_id)
                errand.start()


class _Errand(threading.Thread):
    def __init__(self, destination_id: int) -> None:
        super().__init__(name=f"homecoming-{destination_id}", daemon=True)
        self.destination_id, self.holder = destination_id, secrets.token_hex(16)

    def run(self) -> None:
        try:
            carry_to(self.destination_id, timezone.now(), self.holder)
        except Exception as trouble:
            log.error("a homecoming ended in %s; it is tried again", type(trouble).__name__)
        finally:
            connections.close_all()

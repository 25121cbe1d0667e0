"""Ask a destination whose rest is over whether it answers, before a delivery is spent on it."""

import logging
import random
import threading
import traceback
from datetime import datetime

from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from proxy.deliveries.agents import PROBES
from proxy.deliveries.directions import address_of
from proxy.deliveries.outcomes import TryLater
from proxy.routing import breaker
from proxy.routing.models import Destination

log = logging.getLogger(__name__)

_asked: set[int] = set()
_lock = threading.Lock()


def probe_one(now: datetime) -> bool:
    """Ask the next one. False: there is none to ask. One that hangs (a mount without its server) holds up the thread
    that asks it, and is asked by no other of this process."""
    for destination in breaker.to_probe(now):
        if not _begin(destination.pk):
            continue
        try:
            taken = breaker.take_probe(destination, now)
            if taken is not None:
                _note(taken, ask(taken))
                return True
        finally:
            _end(destination.pk)
    return False


def due(now: datetime) -> int:
    """How many are to be asked, and are not being asked by this process already."""
    with _lock:
        return sum(one.pk not in _asked for one in breaker.to_probe(now))


def ask(destination: Destination) -> TryLater | None:
    """Why nothing should be sent there, or nothing. What we cannot find out, a delivery will."""
    try:
        to = address_of(destination)
        return to if isinstance(to, TryLater) else PROBES[destination.kind](to)
    except (DatabaseError, InterfaceError):
        raise
    except Exception as trouble:
        where = traceback.extract_tb(trouble.__traceback__)[-1]
        kind = type(trouble).__name__
        log.error("probe of %s: %s in %s line %s", destination.pk, kind, where.name, where.lineno)
        return None


def _note(destination: Destination, found: TryLater | None) -> None:
    now = timezone.now()
    if found is None:
        breaker.answered(destination, now)
    else:
        breaker.kept_silent(destination, found.reason, now, random.random(), found.after)
    said = "answers" if found is None else "does not answer"
    log.info("destination %s %s after %s failures", destination.pk, said, destination.failures)


def _begin(destination_id: int) -> bool:
    with _lock:
        if destination_id in _asked:
            return False
        _asked.add(destination_id)
        return True


def _end(destination_id: int) -> None:
    with _lock:
        _asked.discard(destination_id)

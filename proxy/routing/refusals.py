"""Who was refused and why: the first thing to look at when a modality cannot send.

Associations only count, in memory; a thread writes the sums every few seconds, so a flood of callers costs one short
transaction at a time and no association waits for it. What a crash takes with it are counts of the last seconds.
"""

import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from proxy.network.door import Caller, Rejection
from proxy.routing.models import Refusal

log = logging.getLogger(__name__)

WRITE_EVERY: Final = 2.0  # seconds
MOST_WAITING: Final = 500  # different refusals between two writes; more are only counted in the log
MOST_ROWS: Final = 1_000


@dataclass(frozen=True, slots=True)
class Key:
    address: str
    calling_ae: str
    called_ae: str
    code: str
    why: str


def key_of(caller: Caller, rejection: Rejection) -> Key:
    code = f"{rejection.result}/{rejection.source}/{rejection.reason}"
    return Key(
        caller.address[:64],
        printable(caller.calling_ae),
        printable(caller.called_ae),
        code,
        rejection.why[:255],
    )


def printable(ae_title: str) -> str:
    """A stranger's text: as much of it as an AE title may have (PS3.5 6.2)."""
    return "".join(one if one.isascii() and one.isprintable() else "?" for one in ae_title[:16])


class Refusals:
    """The counting, from any thread, and the thread that writes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(5.0)

    def note(self, caller: Caller, rejection: Rejection) -> None:
        key = key_of(caller, rejection)
        with self._lock:
            if key in self._counts or len(self._counts) < MOST_WAITING:
                self._counts[key] += 1

    def write(self) -> int:
        """How many different ones were written. What cannot be written now is written later."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        try:
            keep(counts, timezone.now())
        except Exception:
            with self._lock:
                self._counts.update(dict(counts.most_common(MOST_WAITING)))
            raise
        return len(counts)

    def _run(self) -> None:
        while not self._stop.wait(WRITE_EVERY):
            self._write_quietly()
        self._write_quietly()
        connections.close_all()

    def _write_quietly(self) -> None:
        try:
            self.write()
        except Exception as trouble:
            log.warning("refused callers were not written (%s); it is tried again", type(trouble).__name__)
            connections.close_all()


def keep(counts: Counter[Key], now: datetime) -> None:
    """Add to what is there; only the latest so many different ones stay."""
    if not counts:
        return
    with transaction.atomic():
        for key, count in sorted(counts.items(), key=lambda one: str(one[0])):
            _add(key, count, now)
        oldest = Refusal.objects.order_by("-last_at", "-pk").values_list("pk", flat=True)[MOST_ROWS:]
        Refusal.objects.filter(pk__in=list(oldest)).delete()


def _add(key: Key, count: int, now: datetime) -> None:
    same = {
        "address": key.address,
        "calling_ae": key.calling_ae,
        "called_ae": key.called_ae,
        "code": key.code,
    }
    first = {"why": key.why, "count": 0, "first_at": now, "last_at": now}
    row, _ = Refusal.objects.get_or_create(**same, defaults=first)
    Refusal.objects.filter(pk=row.pk).update(count=F("count") + count, last_at=now, why=key.why)

"""`python -m tests.bench.bookkeeping`: what the books and the rules of alerts ask of the database that the environment
names; the milliseconds of each step (of CPU in SQLite, else of time), as JSON. With `close`, days are closed."""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from proxy.alerts.rules import RULES  # noqa: E402
from proxy.books import closing  # noqa: E402
from proxy.books.balance import DAY, STUDY, balance, postings  # noqa: E402
from proxy.books.models import Day  # noqa: E402

TIMES = 3


def close() -> None:
    """Every day that is over: as many rounds as it takes."""
    while closing.look(timezone.now(), seconds=60.0).closed:
        pass
    print(Day.objects.exclude(closed_at=None).count())


def measure() -> dict[str, float]:
    now, today = timezone.now(), timezone.now().date()
    steps: dict[str, Callable[[], object]] = {
        "the whole ledger": balance,
        "a month, by day": lambda: postings(DAY, today - timedelta(days=30)),
        "since yesterday, by study": lambda: postings(STUDY, today - timedelta(days=1)),
        "a round of the books": lambda: closing.look(timezone.now()),
    }
    for rule in RULES:
        steps[f"rule {rule.name}"] = lambda look=rule.look: list(look(now))  # type: ignore[misc]
    steps["the whole ledger, counted anew"] = lambda: balance(anew=True)
    return {name: _median(step) for name, step in steps.items()}


def _median(step: Callable[[], object]) -> float:
    """SQLite works in this process, so its CPU is ours, however busy the machine is."""
    clock = time.process_time if connection.vendor == "sqlite" else time.perf_counter
    times = []
    for _ in range(TIMES):
        began = clock()
        step()
        times.append((clock() - began) * 1e3)
    return statistics.median(times)


if __name__ == "__main__":
    if "close" in sys.argv:
        close()
    else:
        json.dump(measure(), sys.stdout)

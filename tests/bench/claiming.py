"""`python -m tests.bench.claiming STUDIES`: so many new studies are claimed and finished; the
milliseconds of each step, as JSON.

Nothing is sent: what is measured is what the queue itself asks of the database that the environment names.
"""

import json
import os
import secrets
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.utils import timezone  # noqa: E402

from proxy.deliveries import queue  # noqa: E402
from proxy.deliveries.outcomes import Delivered  # noqa: E402
from proxy.deliveries.queue import Claim  # noqa: E402
from proxy.routing.models import Destination  # noqa: E402
from proxy.studies import quiet  # noqa: E402
from proxy.studies.models import Instance, Revision, Series  # noqa: E402
from tests.bench.fill_deliveries import revision_of  # noqa: E402

T = TypeVar("T")
LOOKS = 20


class Stopwatch:
    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)

    def time(self, name: str, act: Callable[[], T]) -> T:
        began = time.perf_counter()
        given = act()
        self.times[name].append((time.perf_counter() - began) * 1e3)
        return given


def work(watch: Stopwatch, studies: int) -> int:
    """How many deliveries there were to claim."""
    destinations = list(Destination.objects.order_by("pk"))
    for _ in range(studies):
        _open(watch, destinations)
    done = 0
    while _claim_one(watch):
        done += 1
    for _ in range(LOOKS):
        watch.time("find nothing to claim", lambda: queue.claim(timezone.now(), "none"))
        watch.time("look for claims to rescue", lambda: queue.rescue(timezone.now()))
        watch.time("look for what went quiet", lambda: quiet.close_quiet(timezone.now()))
        watch.time("look for what has no delivery", quiet.awaiting_deliveries)
    return done


def _claim_one(watch: Stopwatch) -> bool:
    claim = watch.time("claim", lambda: queue.claim(timezone.now(), secrets.token_hex(16)))
    if claim is not None:
        watch.time("note progress", partial(queue.progress, claim, range(2)))
        watch.time("finish", partial(_finish, claim))
    return claim is not None


def _finish(claim: Claim) -> None:
    assert queue.finish(claim, Delivered(), timezone.now())


def _open(watch: Stopwatch, destinations: list[Destination]) -> None:
    revision = revision_of(f"2.25.72{secrets.randbits(64)}", "released", destinations)
    series = Series.objects.create(study=revision.study, uid=f"{revision.study.uid}.1", modality="CT")
    Instance.objects.bulk_create(_image(revision, series, number) for number in range(2))
    watch.time("open deliveries", lambda: queue.open_for(revision, destinations, timezone.now()))


def _image(revision: Revision, series: Series, number: int) -> Instance:
    study = series.study
    return Instance(
        project=study.project, revision=revision, series=series, ordinal=number, uid=f"{series.uid}.{number}",
        sop_class="1.2.840.10008.5.1.4.1.1.2", transfer_syntax="1.2.840.10008.1.2.1", path=f"{series.uid}.{number}",
        size=10, header_mac="00", bulk_digest="00", received_at=timezone.now(),
    )  # fmt: skip


if __name__ == "__main__":
    watch = Stopwatch()
    assert work(watch, int(sys.argv[1])) == int(sys.argv[1]) * Destination.objects.count()
    json.dump({name: statistics.median(times) for name, times in watch.times.items()}, sys.stdout)

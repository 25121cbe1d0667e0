"""A person excludes a series while images of it come, studies settle and workers claim: nobody waits in a circle,
nothing of it leaves, and the books balance.
"""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connections, transaction
from django.test import override_settings

from proxy import pipeline
from proxy.deliveries import ledger, queue, recalling
from proxy.routing.models import Destination, Project, Route
from proxy.storage import keys
from proxy.studies import index, quiet
from proxy.studies.excluding import Done
from proxy.studies.models import Instance, Revision, Series
from tests.studies.test_excluding import LATER, NOON, SCOUT, arrival, ordinals_are_whole

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _keys(tmp_path: Path) -> Iterator[None]:
    keys.ensure(tmp_path / "keys")
    with override_settings(KEY_DIR=tmp_path / "keys", DATA_DIR=tmp_path / "data"):
        yield


@pytest.fixture
def route() -> Route:
    made = Route.objects.create(called_ae="DICOMRCV", project=Project.objects.create(name="default"))
    for name in ("archive", "outbox"):
        made.destinations.add(Destination.objects.create(name=name, kind="folder", path=name))
    return made


def at_once(*jobs: Callable[[], object]) -> None:
    gate, troubles = threading.Barrier(len(jobs)), []

    def run(job: Callable[[], object]) -> None:
        try:
            gate.wait(60)
            job()
        except BaseException as trouble:
            troubles.append(trouble)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert troubles == []


def place(route: Route, series: str, first: int, images: int = 12) -> None:
    for number in range(first, first + images, 3):
        with transaction.atomic():
            index.place([arrival(route, number + one, series) for one in range(3)])


def test_of_what_comes_while_it_is_excluded_nothing_leaves(route: Route) -> None:
    place(route, SCOUT, 0, images=3)
    series = Series.objects.get()
    at_once(
        lambda: place(route, SCOUT, 100),
        lambda: place(route, "2.25.200", 200),
        lambda: place(route, SCOUT, 300),
        lambda: recalling.exclude(series, "ada", NOON, "it shows her face"),
    )
    pipeline.settle(LATER)
    ordinals_are_whole()
    assert not Instance.objects.filter(series=series, revision__series=None).exists()
    assert set(Revision.objects.filter(series=series).values_list("state", flat=True)) == {"excluded"}
    assert [(line.received, line.excluded, line.difference) for line in ledger.balance()] == [(39, 27, 0)] * 2


@pytest.mark.parametrize("turn", range(4))
def test_excluded_while_it_is_released_and_claimed_it_leaves_whole_or_not_at_all(
    route: Route, turn: int
) -> None:
    place(route, "2.25.200", 0, images=3)
    place(route, SCOUT, 100, images=3)
    if turn % 2:
        pipeline.settle(LATER)
    series, outcome = Series.objects.get(uid=SCOUT), list[object]()
    soon = LATER + timedelta(seconds=1)
    at_once(
        lambda: outcome.append(recalling.exclude(series, "ada", LATER, "it shows her face")),
        lambda: pipeline.settle(soon),
        lambda: queue.claim(soon, "a"),
        lambda: queue.claim(soon, "b"),
    )
    pipeline.settle(soon)
    [done] = outcome
    assert done in (Done(3), Done(0, 3))
    ordinals_are_whole()
    assert list(ledger.recount()) == []
    excluded = 3 if done == Done(3) else 0
    assert [(line.excluded, line.difference) for line in ledger.balance()] == [(excluded, 0)] * 2


def test_included_while_studies_settle_it_is_released(route: Route) -> None:
    place(route, SCOUT, 0, images=3)
    series = Series.objects.get()
    assert recalling.exclude(series, "ada", NOON, "it shows her face") == Done(3)
    place(route, SCOUT, 100, images=3)

    def settling() -> None:
        pipeline.settle(LATER)
        connections.close_all()

    quiet.close_quiet(LATER)
    other = threading.Thread(target=settling)
    with transaction.atomic():
        assert recalling.include(series, "ben", LATER, "it does not") == Done(3)
        other.start()
        time.sleep(0.5)
    other.join(60)
    pipeline.settle(LATER)
    assert list(Revision.objects.values_list("state", flat=True)) == ["released", "released"]

"""Promise 10: one of three destinations is dead, in each way in turn. The sender and the others notice nothing, and
when it is back everything arrives there once.
"""

from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from tests import cast
from tests.house import House
from tests.journeys import help as journey
from tests.stress.gate import DEAD, Way
from tests.stress.receivers import Receiver
from tests.stress.scene import Scene, a_scene

pytestmark = [pytest.mark.journey, pytest.mark.peers]

IMAGES = 2
ATTEMPTS = """deliveries_attempt a JOIN deliveries_delivery y ON y.id = a.delivery_id
JOIN routing_destination d ON d.id = y.destination_id"""
DELIVERED = """SELECT count(*) FROM deliveries_delivery y JOIN routing_destination d ON d.id = y.destination_id
WHERE d.name = 'mortal' AND y.state = 'delivered'"""
BESIDE = f"""SELECT count(*) FROM (SELECT a.* FROM {ATTEMPTS} WHERE d.name <> 'mortal') o
JOIN (SELECT a.* FROM {ATTEMPTS} WHERE d.name = 'mortal' AND a.id > {{since}}) m
ON o.started_at >= m.started_at AND o.ended_at IS NOT NULL AND (m.ended_at IS NULL OR o.ended_at <= m.ended_at)"""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["dimse", "backend"])  # `make stress-dead` has DICOMweb, too
def test_promise_10_a_destination_that_is_dead_in_any_way_holds_up_nobody(
    house: House, tmp_path: Path, kind: str
) -> None:
    studies, sent = _studies(tmp_path / "scanner"), 0
    with a_scene(house, tmp_path, kind) as scene:
        for way in DEAD:
            scene.gate.become(way)
            since = journey.count(house, "SELECT coalesce(max(id), 0) FROM deliveries_attempt")
            assert journey.sent_safely(house, *next(studies))
            journey.wait_until(partial(_is_tried, house, since), f"somebody tries what is {way}")
            assert journey.sent_safely(house, *next(studies), *next(studies))
            had, sent = journey.count(house, DELIVERED), sent + 3 * IMAGES
            for other in scene.others:
                _wait_for(other, sent, f"{other.name} has all while the third is {way}")
            assert journey.count(house, DELIVERED) == had
            if way is not Way.REFUSING:
                assert journey.count(house, BESIDE.format(since=since)), "the others waited for its end"
            scene.gate.become(Way.OPEN)
            _wait_for(scene.mortal, sent, f"what was {way} is back and has all")
            journey.wait_until(lambda: journey.all_delivered(house, 1), "all is told")
        _judge(scene, sent)


def _studies(folder: Path) -> Iterator[list[Path]]:
    folder.mkdir()
    for number in count(1):
        plan = cast.StudyPlan(number=number)
        yield [cast.save(cast.ct(plan, one + 1, size=16), folder) for one in range(IMAGES)]


def _is_tried(house: House, since: int) -> bool:
    return bool(
        journey.count(house, f"SELECT count(*) FROM {ATTEMPTS} WHERE d.name = 'mortal' AND a.id > {since}")
    )


def _wait_for(receiver: Receiver, images: int, what: str) -> None:
    journey.wait_until(lambda: len(receiver.visible()) >= images, what)


def _judge(scene: Scene, sent: int) -> None:
    """Everything is there once, and as it left; the books balance."""
    house = scene.house
    expected = sorted(str(uid) for (uid,) in journey.rows(house, "SELECT uid FROM studies_instance"))
    assert len(expected) == sent
    for receiver in scene.receivers:
        assert receiver.visible() == expected
        assert not receiver.changed()
    for line in journey.ledger(house):
        assert (line["difference"], line["received"], line["delivered"]) == (0, sent, sent)

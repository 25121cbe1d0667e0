"""Promises 2, 4, 10 and 12: a slice of the kill storm. The whole of it, `make stress-storm`, takes minutes."""

from pathlib import Path

import pytest

from tests.house import House
from tests.stress.storm import Plan, storm

pytestmark = [pytest.mark.journey, pytest.mark.peers]


@pytest.mark.timeout(600)
def test_workers_killed_at_random_bring_every_image_once_to_every_kind_of_destination(
    house: House, tmp_path: Path
) -> None:
    workers = 4 if house.env.get("DATABASE_ENGINE") == "postgresql" else 1
    told = storm(house, tmp_path, Plan(seed=4711, studies=10, kills=3, workers=workers, every=1.5))
    assert told.images >= 10
    assert told.kills >= 1

"""Promise 11: however large the images and however many come at once, memory stays bounded."""

from pathlib import Path

import pytest

from tests import memory
from tests.house import House

pytestmark = [pytest.mark.journey, pytest.mark.peers]

SENDERS, MEGABYTES = 16, 30


@pytest.mark.timeout(600)
def test_promise_11_many_large_images_at_once_cost_a_few_megabytes_each(house: House, tmp_path: Path) -> None:
    """`make bench` does the same with 64 senders of 200 MB."""
    seen = memory.measure(house, memory.files(tmp_path / "images", SENDERS, MEGABYTES))
    assert seen.refused == 0
    assert seen.growth < SENDERS * MEGABYTES / 3, seen

"""A slice of `make stress-large`: an upload that is cut when nine tenths are there costs neither memory nor a second
archive, and the study arrives once.
"""

from pathlib import Path

import pytest

from tests.house import House
from tests.stress import large

pytestmark = [pytest.mark.journey, pytest.mark.peers]


@pytest.mark.timeout(300)
def test_an_upload_that_is_cut_at_nine_tenths_is_repeated_from_the_same_archive(
    house: House, tmp_path: Path
) -> None:
    told = large.large(house, tmp_path, images=2, frames=64)
    assert told.size > 2 * 64 * large.FRAME
    assert told.tries[0] == "later" and told.tries[-1] == "delivered"
    assert told.fits(), told

"""Promise 11: memory has a limit over all associations, said before it is reached, and work resumes by itself."""

import threading
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from pydicom.dataset import Dataset

from proxy.reception import image as room
from proxy.reception.budget import Budget, NoMemory, Share
from proxy.reception.held import Direct
from proxy.reception.sink import Receiving
from proxy.routing.match import RouteFacts
from tests import cast
from tests.reception.sending import command_for, encode

MEGABYTE = 1 << 20


def test_what_one_gives_back_another_may_hold() -> None:
    budget = Budget(lambda: 100)
    one, other = Share(budget), Share(budget)
    one.hold(60)
    with pytest.raises(NoMemory):
        other.hold(41)
    other.hold(40)
    one.hold(10)
    other.hold(90)
    one.release()
    one.release()
    assert budget.held == 90


def test_a_limit_that_was_lowered_takes_nothing_from_anybody() -> None:
    limit = 100
    budget = Budget(lambda: limit)
    share = Share(budget)
    share.hold(80)
    limit = 50
    share.hold(70)
    with pytest.raises(NoMemory):
        share.hold(71)


def test_threads_do_not_miscount() -> None:
    budget = Budget(lambda: 1 << 40)

    def come_and_go() -> None:
        share = Share(budget)
        for size in range(5_000):
            share.hold(size)
        share.release()

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.held == 0


@pytest.fixture
def limit(settings: LazySettings) -> Iterator[None]:
    settings.DICOM_MEMORY_LIMIT = 64
    assert room.BUDGET.held == 0
    yield
    assert room.BUDGET.held == 0


def wide(megabytes: int) -> Dataset:
    """An image whose header is large: private blobs of a megabyte, which a rule must look at."""
    image = cast.ct(size=64)
    block = image.private_block(0x0029, "POSTERN TEST", create=True)
    for number in range(megabytes):
        block.add_new(number, "OB", bytes(MEGABYTE))
    return image


def fed(route: RouteFacts, image: Dataset, share: float = 1.0) -> Receiving:
    data = encode(image)
    sink = Receiving(Direct(), route, None, command_for(image))
    for at in range(0, int(len(data) * share), 65_536):
        sink.feed(memoryview(data)[at : at + 65_536])
    return sink


@pytest.mark.django_db
@pytest.mark.usefixtures("limit")
class TestImages:
    def test_who_would_go_over_it_is_asked_to_come_again_and_may(self, route: RouteFacts) -> None:
        first = fed(route, wide(12), share=0.9)  # holds some 45 MB and has not ended
        late = fed(route, wide(8))
        assert (late.finish().status, late.finish().comment) == (0xA700, "Out of memory")
        small = fed(route, cast.ct(cast.StudyPlan(), 7))
        assert small.finish().status == 0
        first.abort()
        assert fed(route, wide(8)).finish().status == 0

    def test_nothing_is_held_once_an_image_has_ended(self, route: RouteFacts) -> None:
        assert fed(route, wide(3)).finish().status == 0
        assert room.BUDGET.held == 0
        fed(route, wide(3), share=0.5).abort()

    def test_pixels_cost_nothing_however_many(self, route: RouteFacts) -> None:
        image = cast.ct(size=64)
        image.NumberOfFrames = 100 * 128
        image.PixelData = image.PixelData * image.NumberOfFrames  # 100 MB, beyond the limit
        assert fed(route, image).finish().status == 0

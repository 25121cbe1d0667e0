"""Room on volumes, with plain values; and on a real one."""

from pathlib import Path

import pytest

from proxy.alerts.rules.disks import LOW, MEGABYTE, NEAR, REFUSING, Limits, Volume, judge, volume_of

GIGABYTE = 1024 * MEGABYTE
LIMITS = Limits(watermark=GIGABYTE, percent=10, keys=64 * MEGABYTE)


def volume(free: int, name: str = "DATA_DIR", size: int = 1000 * GIGABYTE, device: int = 1) -> Volume:
    return Volume(name, device, free, size)


@pytest.mark.parametrize(
    ("one", "weight"),
    [
        (volume(100 * GIGABYTE), 0),
        (volume(100 * GIGABYTE - 1), LOW),
        (volume(2 * GIGABYTE), NEAR),
        (volume(GIGABYTE), REFUSING),
        (volume(0), REFUSING),
        (volume(0, size=0), REFUSING),
        (volume(64 * MEGABYTE, "KEY_DIR", GIGABYTE), 0),
        (volume(64 * MEGABYTE - 1, "KEY_DIR", GIGABYTE), NEAR),
    ],
)
def test_each_limit(one: Volume, weight: int) -> None:
    assert [finding.weight for finding in judge([one], LIMITS)] == ([weight] if weight else [])


def test_only_below_the_watermark_images_are_refused() -> None:
    [refusing] = judge([volume(GIGABYTE)], LIMITS)
    [near] = judge([volume(2 * GIGABYTE)], LIMITS)
    assert "refused" in refusing.sentence and "refused" not in near.sentence
    assert near.sentence == "2,048 MB are free, 0 % of the volume."


def test_a_volume_is_told_of_once_and_another_one_for_itself() -> None:
    data, archive, keys = volume(0), volume(0, "ARCHIVE_DIR"), volume(0, "KEY_DIR", device=2)
    assert [one.subject for one in judge([data, archive, keys], LIMITS)] == ["DATA_DIR", "KEY_DIR"]


def test_the_percentage_can_be_turned_off() -> None:
    assert not list(judge([volume(3 * GIGABYTE)], Limits(GIGABYTE, 0, 0)))


def test_a_folder_that_is_not_made_yet_lies_on_the_volume_of_its_parent(tmp_path: Path) -> None:
    there, not_yet = volume_of("DATA_DIR", tmp_path), volume_of("DATA_DIR", tmp_path / "a" / "b")
    assert there.device == not_yet.device and there.size == not_yet.size > 0

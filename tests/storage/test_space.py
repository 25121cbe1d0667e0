"""Promise 11: refuse before the disk is full."""

import time
from pathlib import Path

import pytest

from proxy.storage import space
from tests.aside import changed


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "_seen", {})


def test_a_folder_not_yet_made_has_the_room_of_its_parent(tmp_path: Path) -> None:
    assert space.free(tmp_path / "not" / "yet") > 0


def test_promise_11_room_ends_at_the_watermark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(space, "free", lambda path: 1000)
    assert space.has_room(tmp_path, 999)
    assert not space.has_room(tmp_path, 1000)


def test_the_file_system_is_asked_now_and_then_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    now = [100.0]

    def free(path: Path) -> int:
        asked.append(path)
        return 5

    monkeypatch.setattr(space, "free", free)
    monkeypatch.setattr(space, "time", changed(time, monotonic=lambda: now[0]))
    for _ in range(10):
        space.has_room(tmp_path, 1)
    assert len(asked) == 1
    now[0] += 1
    space.has_room(tmp_path, 1)
    assert len(asked) == 2

"""The list of the forgotten: what one crash spoils costs nobody else their line."""

import errno
import os
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy.vault.forgotten import listed, remember


@pytest.fixture
def file(settings: LazySettings) -> Path:
    return Path(settings.FORGOTTEN_FILE)


def test_promise_8_a_line_that_was_cut_short_does_not_swallow_the_next_person(file: Path) -> None:
    remember(1, "ANON-A")
    with file.open("a") as lines:
        lines.write("1 ANON-")
    remember(1, "ANON-B")
    assert {(1, "ANON-A"), (1, "ANON-B")} <= set(listed())


def test_on_a_full_disk_nobody_is_written_down_and_whoever_forgets_hears_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = os.write
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda handle, data: whole(handle, data[:6]))
        with pytest.raises(OSError, match="no room") as told:
            remember(1, "ANON-A")
    assert told.value.errno == errno.ENOSPC
    remember(1, "ANON-B")
    assert listed() == [(1, "ANON-B")]

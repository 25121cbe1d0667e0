"""What benchmarks rely on: that they measure what they say. Their figures are nobody's to assert."""

import os
import subprocess
import sys
import time
from functools import partial
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.bench import loads, null, processes, timed
from tests.bench.bench_gateway import percentile
from tests.bench.gateways import busy
from tests.bench.rounds import Budget, Sample, chosen, interleaved, ratios


def test_everybody_has_a_turn_in_every_round_and_nobody_is_always_first() -> None:
    order: list[str] = []

    def turn(name: str) -> str:
        order.append(name)
        return name

    given = interleaved({name: partial(turn, name) for name in "ab"}, 2)
    assert order == ["a", "b", "b", "a"]
    assert given == {"a": ["a", "a"], "b": ["b", "b"]}


def test_no_round_begins_when_the_time_is_up_but_one_there_is() -> None:
    assert interleaved({"a": time.monotonic}, 5, until=0.0).keys() == {"a"}
    assert len(interleaved({"a": time.monotonic}, 5, until=0.0)["a"]) == 1


def test_sections_share_the_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINUTES", "1")
    budget = Budget(2)
    assert budget.share() - time.monotonic() == pytest.approx(30, abs=1)
    assert budget.share() - time.monotonic() == pytest.approx(60, abs=1)


def test_a_choice_that_is_none_stops_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADS", "MR")
    assert chosen("LOADS", ("CT", "MR")) == ("MR",)
    monkeypatch.setenv("LOADS", "XY")
    with pytest.raises(SystemExit, match="XY is none of CT, MR"):
        chosen("LOADS", ("CT", "MR"))


def test_twice_the_rate_is_a_ratio_of_two() -> None:
    assert ratios([Sample(10, 1.0, 0.1)], [Sample(10, 2.0, 0.1)]) == [2.0]


@pytest.mark.parametrize(
    ("percent", "value"), [(50, 50), (99, 99), (100, 100)], ids=["median", "p99", "the largest"]
)
def test_a_percentile_is_a_value_that_was_seen(percent: int, value: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == value
    assert percentile([7.0], percent) == 7.0


def test_deliveries_at_the_same_time_count_once_and_waiting_between_them_not_at_all() -> None:
    assert busy([(10.0, 12.0), (11.0, 13.0), (20.0, 21.0)]) == pytest.approx(4.0)


@pytest.mark.parametrize(("name", "size"), [("CT", 525_000), ("MR", 132_000), ("SR", 20_000)])
def test_every_image_of_a_load_is_a_new_one_of_its_size(name: str, size: int, tmp_path: Path) -> None:
    shares = loads.write([name], tmp_path, shares=2, each=2)
    paths = [path for share in shares for path in share]
    images = [dcmread(BytesIO(path.read_bytes())) for path in paths]
    assert len({one.SOPInstanceUID for one in images}) == 4
    assert len({one.StudyInstanceUID for one in images}) == len({one.PatientID for one in images}) == 2
    for path, one in zip(paths, images, strict=True):
        assert one.file_meta.MediaStorageSOPInstanceUID == one.SOPInstanceUID
        assert path.stem == f"{one.SOPClassUID}-{one.SOPInstanceUID}"
        assert path.stat().st_size == pytest.approx(size, rel=0.05)


def test_the_timing_sender_times_every_image_of_every_association(tmp_path: Path) -> None:
    shares = loads.write(["MR"], tmp_path, shares=2, each=3)
    with null.receiver("ours") as receiver:
        sent = timed.send(receiver.port, "DICOMRCV", [share[0].parent for share in shares])
    assert len(sent.latencies) == 6
    assert 0 < max(sent.latencies) <= sent.seconds


def test_the_cpu_and_memory_of_children_count() -> None:
    words = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"
    with subprocess.Popen([sys.executable, "-c", words], start_new_session=True) as parent:
        try:
            end = time.monotonic() + 20
            while processes.cpu(parent.pid) < 0.5 and time.monotonic() < end:
                time.sleep(0.05)
            assert processes.cpu(parent.pid) >= 0.5
            assert len(processes.tree(parent.pid)) == 2
            assert processes.resident(parent.pid) > 5_000_000
        finally:
            os.killpg(parent.pid, 9)

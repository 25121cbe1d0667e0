"""A file and what lies in memory are read as one."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.storage.followed import followed


@given(st.binary(max_size=40), st.lists(st.binary(max_size=20), max_size=4), st.data())
def test_it_reads_as_what_they_are_together(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, behind: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "followed"
    path.write_bytes(start)
    whole = start + b"".join(behind)
    at = data.draw(st.integers(0, len(whole)))
    size = data.draw(st.integers(0, len(whole)))
    with path.open("rb") as file:
        both = followed(file, behind)
        assert both.read(size) == whole[:size]
        assert both.seek(0, os.SEEK_END) == len(whole)
        both.seek(at)
        assert both.read() == whole[at:]


def test_it_begins_where_the_file_stands(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"head and ")
    with (tmp_path / "one").open("rb") as file:
        file.seek(5)
        assert followed(file, [b"body"]).read() == b"and body"

"""What a file is: Part 10, a data set of its own, a directory, damaged, or no DICOM."""

from pathlib import Path

import pytest

from proxy.deid import Unreadable, split
from proxy.deid.recognising import BIG_ENDIAN, EXPLICIT, IMPLICIT, Shape, recognise
from tests import cast
from tests.deid import corpus


def real_files() -> list[Path]:
    return [path for path in corpus.paths() if path.read_bytes()[128:132] == b"DICM"]


def real_file(name: str) -> Path:
    return next(path for path in corpus.paths() if path.name == name)


def test_real_data_sets_without_file_meta_are_told_by_their_encoding() -> None:
    told = 0
    for path in real_files():
        try:
            parts = split(path.read_bytes())
        except Unreadable:
            continue
        group = int.from_bytes(parts.dataset[:2], "big" if parts.syntax == BIG_ENDIAN else "little")
        if parts.syntax in (IMPLICIT, EXPLICIT, BIG_ENDIAN) and group == 8:
            assert recognise(bytes(parts.dataset)) == Shape(parts.syntax, 0, bare=True), path.name
            told += 1
    assert told > 20


@pytest.mark.parametrize(
    ("name", "syntax"),
    [
        ("ExplVR_LitEndNoMeta.dcm", EXPLICIT),
        ("ExplVR_BigEndNoMeta.dcm", BIG_ENDIAN),
        ("rtstruct.dcm", IMPLICIT),
    ],
)
def test_files_of_old_archives_are_recognised(name: str, syntax: str) -> None:
    assert recognise(real_file(name).read_bytes()[: 1 << 20]) == Shape(syntax, 0, bare=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 4096,
        b"Adalberta Exampleova was here\n" * 50,
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
        b"%PDF-1.7 about 1.2.840.10008.1.2",
        b"PK\3\4\x14\0\x08\0" + bytes(200),
        b"\x08\0",
    ],
)
def test_what_is_no_dicom_is_none(content: bytes) -> None:
    assert recognise(content) is None


def test_meta_without_preamble_is_read() -> None:
    content = cast.part10(cast.ct())
    for cut in (128, 132):
        shape = recognise(content[cut:])
        assert shape is not None
        assert content[cut:][shape.start :] == split(content).dataset.tobytes()
        assert shape.syntax == EXPLICIT


@pytest.mark.parametrize("shift", [b" ", b"\r\n", b"HEADER OF SOME ARCHIVE"])
def test_what_has_dicom_in_it_is_never_called_none(shift: bytes) -> None:
    with pytest.raises(Unreadable):
        recognise(shift + split(cast.part10(cast.ct())).dataset.tobytes())

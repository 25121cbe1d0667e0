"""The engine in a script: on a Dataset, on bytes, on a path, with functions of one's own."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

from proxy.deid import (
    Engine,
    HeldError,
    deidentify,
    deidentify_bytes,
    deidentify_dataset,
    deidentify_file,
    load_recipe,
    make_meta,
    restore,
    split,
)
from tests.deid.build import CT, EXPLICIT, SUBJECT, ct, encoded

BASIC = Engine(load_recipe("basic"))


def a_file() -> bytes:
    return make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ct())


def test_a_dataset_comes_out_clean_and_stays_itself() -> None:
    ds = ct()
    clean, _ = deidentify_dataset(ds, BASIC, lambda facts: SUBJECT)
    assert clean.PatientID == SUBJECT.pseudonym and ds.PatientID == "AE-4711"
    assert clean.PixelData == ds.PixelData


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "image_dfl.dcm"],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_dataset_keeps_its_transfer_syntax_and_its_pixels(name: str) -> None:
    ds = dcmread(str(get_testdata_file(name)))
    engine = Engine(replace(load_recipe("basic"), gates={"burned-in": "accept"}))
    clean, _ = deidentify_dataset(ds, engine, lambda facts: SUBJECT)
    was = str(ds.file_meta.TransferSyntaxUID)
    assert (clean.file_meta.TransferSyntaxUID, clean.PixelData) == (was, ds.PixelData)
    assert clean.Rows == ds.Rows and clean.PatientID == SUBJECT.pseudonym


def test_a_path_becomes_a_path(tmp_path: Path) -> None:
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(a_file())
    deidentify_file(source, target, BASIC, lambda facts: SUBJECT)
    assert target.read_bytes() == deidentify_bytes(a_file(), BASIC, lambda facts: SUBJECT)[0]
    assert b"Example" not in target.read_bytes()


def test_promise_1_nothing_is_written_of_what_a_gate_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even for a moment: its pixels may show who it is."""
    ds = ct()
    ds.BurnedInAnnotation = "YES"
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    source.write_bytes(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ds))
    written, unlink = [], Path.unlink

    def looked_at(path: Path, missing_ok: bool = False) -> None:
        written.append(path.read_bytes())
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", looked_at)
    with pytest.raises(HeldError, match="Burned In Annotation"):
        deidentify_file(source, target, BASIC, lambda facts: SUBJECT)
    assert not target.exists() and written == [b""]


def test_a_function_of_ones_own_decides_and_is_sealed() -> None:
    def year_only(ds: Any, tag: Any) -> None:
        ds[tag].value = ds[tag].value[:4] + "0101"

    def gone(ds: Any, tag: Any) -> None:
        del ds[tag]

    engine = Engine(load_recipe("basic"), functions={0x00100030: year_only, 0x00080060: gone})
    data = encoded(ct())
    clean = deidentify(data, EXPLICIT, engine, lambda facts: SUBJECT)
    out = b"".join(clean.rest)
    assert b"19610101" in out and "113100" not in clean.report.codes
    assert restore(out, EXPLICIT, clean.seal) == data


def test_one_image_has_one_bulk_digest_in_every_transfer_syntax() -> None:
    syntaxes = (EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2")
    little, big = ct(), ct()
    big.PixelData = bytes(
        byte for pair in zip(*[iter(little.PixelData)] * 2, strict=True) for byte in reversed(pair)
    )
    made = {
        deidentify(
            encoded(big if syntax == syntaxes[2] else little, syntax), syntax, BASIC, lambda facts: SUBJECT
        ).bulk_digest
        for syntax in syntaxes
    }
    assert len(made) == 1


def test_a_part_10_file_splits_into_its_parts() -> None:
    parts = split(a_file())
    assert parts.syntax == EXPLICIT and bytes(parts.dataset) == encoded(ct())


def test_a_large_file_is_never_held_in_memory(tmp_path: Path) -> None:
    ds = ct()
    del ds.PixelData
    size = 64 << 20
    source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
    with source.open("wb") as file:
        file.write(make_meta(CT, "1.2.3.4.5.1", EXPLICIT) + encoded(ds))
        file.write(b"\xe0\x7f\x10\x00OW\0\0" + size.to_bytes(4, "little"))
        file.truncate(file.tell() + size)
    tracemalloc.start()
    try:
        deidentify_file(source, target, BASIC, lambda facts: SUBJECT)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert target.stat().st_size > size

"""Every row of PS3.15 Table E.1-1: what it demands happens, at the top and below."""

import warnings

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from proxy.deid.dictionary import vr_of
from proxy.deid.tables import EDITIONS, profile
from tests.deid.build import BIG_ENDIAN, EXPLICIT, IMPLICIT, cleaned, ct, read

PLANTED = {
    "DA": "19610427", "DT": "19610427101112.123", "TM": "101112.777", "UI": "1.2.826.0.1.999.4711", "AS": "044Y",
    "DS": "47114711", "IS": "47114711", "AE": "PLANTEDVALUE", "CS": "PLANTEDVALUE", "UR": "http://planted/4711",
    "PN": "Planted^Value", "LO": "Planted value 4711", "SH": "Planted 4711", "LT": "Planted value 4711",
    "ST": "Planted value 4711", "UT": "Planted value 4711", "UC": "Planted value 4711",
    "OB": b"Planted value 4711", "OW": b"Planted value 4711", "UN": b"Planted value 4711",
}  # fmt: skip
# What is written anew, and what tells the reader which object this is
OURS = {0x00100010, 0x00100020, 0x00080018}


def rows() -> dict[int, str]:
    table = profile(EDITIONS[0])
    return {
        int(tag, 16): row["basic"]
        for tag, row in table.items()
        if "X" not in tag and int(tag, 16) >> 16 not in (0, 2, 4) and vr_of(int(tag, 16))
    }


def planted(ds: Dataset, skip: set[int]) -> Dataset:
    for tag in rows():
        vr = vr_of(tag)
        if tag not in skip and vr in PLANTED:
            ds.add_new(tag, vr, PLANTED[vr])
    return ds


def table_image() -> Dataset:
    ds = planted(ct(), {0x00080018})
    # a sequence that no row names, so that what stands in it is reached
    ds.add_new(0x00082218, "SQ", Sequence([planted(Dataset(), set())]))
    return ds


def original(value: object, vr: str) -> bool:
    return value == PLANTED[vr] or str(value) == str(PLANTED[vr])


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG_ENDIAN])
def test_every_row_gets_what_it_demands(syntax: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out, clean = cleaned(table_image(), "basic", syntax)
        ds = read(out, clean)
        for place in (ds, ds[0x00082218].value[0]):
            for tag, code in rows().items():
                if tag not in OURS and vr_of(tag) in PLANTED:
                    assert demanded(place, tag, code), f"{tag:08X} {code}"
    for value in PLANTED.values():
        raw = value if isinstance(value, bytes) else str(value).encode()
        if len(raw) > 8:
            assert raw not in out


def demanded(ds: Dataset, tag: int, code: str) -> bool:
    if tag not in ds:
        return "X" in code
    value, vr = ds[tag].value, vr_of(tag)
    if code == "X":
        return value in ("", None, b"") or not original(value, vr)
    return not original(value, vr)

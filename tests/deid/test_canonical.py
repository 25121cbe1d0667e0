"""One image has one canonical digest, however it is encoded; another image has another."""

from collections.abc import Callable
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence

from proxy.deid import canonical as looking
from proxy.deid.canonical import Canonical
from tests.deid.build import BIG_ENDIAN, EXPLICIT, IMPLICIT, ct, encoded, item, with_raw


def canonical(data: bytes, syntax: str) -> Canonical:
    return looking.canonical([data[:100], data[100:]], syntax)


def scan() -> Dataset:
    ds = ct()
    ds.RequestAttributesSequence = Sequence(item(ScheduledProcedureStepID="1"))
    ds.add_new(0x00091001, "LO", "words")
    return ds


def test_an_image_has_one_digest_in_every_byte_order_and_with_or_without_vrs() -> None:
    assert (
        len(
            {canonical(encoded(scan(), syntax), syntax).header for syntax in (EXPLICIT, IMPLICIT, BIG_ENDIAN)}
        )
        == 1
    )


def test_the_form_of_lengths_says_nothing() -> None:
    loose = scan()
    loose["RequestAttributesSequence"].is_undefined_length = True
    loose.RequestAttributesSequence[0].is_undefined_length_sequence_item = True
    assert encoded(loose) != encoded(scan())
    assert canonical(encoded(loose), EXPLICIT) == canonical(encoded(scan()), EXPLICIT)


def test_group_lengths_and_padding_say_nothing() -> None:
    padded = with_raw(
        encoded(scan()), [(0x00080000, "UL", b"\x08\0\0\0"), (0xFFFCFFFC, "OB", b"\0" * 8)], EXPLICIT
    )
    assert canonical(padded, EXPLICIT) == canonical(encoded(scan()), EXPLICIT)


def rename(ds: Dataset) -> None:
    ds.RequestAttributesSequence[0].ScheduledProcedureStepID = "2"


def add(ds: Dataset) -> None:
    ds.RequestAttributesSequence.append(Dataset())
    ds.RequestAttributesSequence.append(item(ScheduledProcedureStepID="2")[0])


def hoist(ds: Dataset) -> None:
    ds.ScheduledProcedureStepID = ds.RequestAttributesSequence[0].ScheduledProcedureStepID
    del ds.RequestAttributesSequence[0].ScheduledProcedureStepID


def private(ds: Dataset) -> None:
    ds[0x00091001].value = "other"


@pytest.mark.parametrize("change", [rename, add, hoist, private])
def test_another_content_has_another_digest(change: Callable[[Dataset], None]) -> None:
    other = scan()
    change(other)
    assert canonical(encoded(other), EXPLICIT).header != canonical(encoded(scan()), EXPLICIT).header


def test_what_follows_the_pixels_counts() -> None:
    out = BytesIO()
    tail = Dataset()
    tail.add_new(0x7FE11001, "LO", "after")
    dcmwrite(out, tail, implicit_vr=False, little_endian=True, enforce_file_format=False)
    longer = encoded(scan()) + out.getvalue()
    assert canonical(longer, EXPLICIT).header != canonical(encoded(scan()), EXPLICIT).header

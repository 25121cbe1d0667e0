"""Images made by our own code, with Ada Example's identity planted where nobody expects it."""

from io import BytesIO
from typing import TypeAlias

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence

from proxy.deid import KEEP_ALL, Clean, Engine, Subject, deidentify, load_recipe, split
from proxy.deid.plan import Plan
from proxy.deid.rules import tag_number
from proxy.deid.splice import make_element
from proxy.deid.stream import Scan

Raw: TypeAlias = list[tuple[int, str, bytes]] | tuple[()]
_PLAN = Plan(KEEP_ALL)
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
SUBJECT = Subject("ANON-ABCDEFGHIJKLMNOP", 100, b"k" * 32)
WORDS = "Example Ada AE-4711 +49 441 7789123 ada@example.org"


def ct() -> Dataset:
    """A small CT of Ada Example."""
    ds = Dataset()
    ds.SOPClassUID = CT
    ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = "1.2.3.4.5.1", "1.2.3.4.5", "1.2.3.4.5.0"
    ds.FrameOfReferenceUID = "1.2.3.4.9"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.Modality, ds.Manufacturer = "CT", "ACME"
    ds.PatientName, ds.PatientID = "Example^Ada", "AE-4711"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19610427", "F", "092Y"
    ds.PatientWeight = "70"
    ds.StudyDate, ds.StudyTime = "20200229", "101112"
    ds.AccessionNumber, ds.StudyID, ds.ReferringPhysicianName = "ACC-99812", "1", "Quennerstedt^Ulla"
    ds.SeriesNumber, ds.InstanceNumber = 1, 1
    ds.Rows = ds.Columns = 4
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = bytes(range(32))
    return ds


def item(**values: object) -> Sequence:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def encoded(ds: Dataset, syntax: str = EXPLICIT) -> bytes:
    """The data set alone, as it would come over the wire."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    ds.file_meta = meta
    ds.preamble = b"\0" * 128
    buffer = BytesIO()
    implicit, little = syntax == IMPLICIT, syntax != BIG_ENDIAN
    dcmwrite(buffer, ds, implicit_vr=implicit, little_endian=little, enforce_file_format=False)
    return bytes(split(buffer.getvalue()).dataset)


def with_raw(data: bytes, raw: Raw, syntax: str) -> bytes:
    """The data set with elements that pydicom would not write as they are, each in its place."""
    explicit = syntax != IMPLICIT
    for tag, vr, value in raw:
        scan = Scan(_PLAN, explicit)
        scan.run(data)
        ends = [*scan.starts, scan.bulk_at if scan.bulk_at >= 0 else len(data)]
        at = next((at for at in ends if tag_number(data[at : at + 4]) >= tag), ends[-1])
        data = data[:at] + make_element(tag, vr, value, explicit) + data[at:]
    return data


def cleaned(ds: Dataset, recipe: str = "basic", syntax: str = EXPLICIT, raw: Raw = ()) -> tuple[bytes, Clean]:
    data = with_raw(encoded(ds, syntax), raw, syntax)
    clean = deidentify(data, syntax, Engine(load_recipe(recipe)), lambda facts: SUBJECT)
    return b"".join(clean.rest), clean


def read(out: bytes, clean: Clean) -> Dataset:
    from pydicom import dcmread

    return dcmread(BytesIO(clean.meta + out))

"""The small cast that plays in every test: scanner CT_EAST, patient Ada Example, destination ARCHIVE.

Every image is made here, by our own code. Names are invented.
"""

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
)

CT_EAST = "CT_EAST"
ARCHIVE = "ARCHIVE"
DICOMRCV = "DICOMRCV"
ROOT = "1.2.826.0.1.3680043.10.1561"


@dataclass(frozen=True, slots=True)
class Patient:
    name: str
    id: str
    birth_date: str
    sex: str
    address: str
    phone: str

    @property
    def needles(self) -> tuple[str, ...]:
        """What must never be found anywhere."""
        return (
            *(part for part in self.name.split("^") if part),
            self.id,
            self.birth_date,
            self.address,
            self.phone,
        )


ADA = Patient("Exampleova^Adalberta", "AE-4711-XQ", "19510317", "F", "17 Quince Crescent", "555-0147-9911")
BEN = Patient("Sampleson^Benvolio", "BS-0815-ZK", "19640822", "M", "4 Medlar Row", "555-0199-7722")
REFERRER = "Refererling^Octavia"
OPERATOR = "Operatovsky^Pim"
HOSPITAL = "Hollyhock General"
NEEDLES = (*ADA.needles, *BEN.needles, REFERRER, OPERATOR, HOSPITAL)


@dataclass(frozen=True, slots=True)
class StudyPlan:
    """Which study of whom; the numbers keep UIDs apart and alike where a test wants them so."""

    patient: Patient = ADA
    number: int = 1
    date: str = "20240115"
    time: str = "093012"
    accession: str = "ACC-77120"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def uid(self) -> str:
        return f"{ROOT}.1.{self.number}"

    def series_uid(self, series: int = 1) -> str:
        return f"{self.uid}.{series}"

    def sop_uid(self, instance: int, series: int = 1) -> str:
        return f"{self.series_uid(series)}.{instance}"


def _common(plan: StudyPlan, sop_class: str, modality: str, instance: int, series: int) -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID = sop_class
    ds.SOPInstanceUID = plan.sop_uid(instance, series)
    for name in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
        setattr(ds, name, plan.date)
    for name in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
        setattr(ds, name, plan.time)
    ds.AccessionNumber = plan.accession
    ds.Modality = modality
    ds.Manufacturer = "Example Imaging"
    ds.InstitutionName = HOSPITAL
    ds.ReferringPhysicianName = REFERRER
    ds.OperatorsName = OPERATOR
    ds.StudyDescription = f"Follow-up of {plan.patient.name.partition('^')[0]}"
    ds.SeriesDescription = f"{modality} AXIAL 3 mm"
    ds.PatientName = plan.patient.name
    ds.PatientID = plan.patient.id
    ds.PatientBirthDate = plan.patient.birth_date
    ds.PatientSex = plan.patient.sex
    ds.PatientAddress = plan.patient.address
    ds.PatientTelephoneNumbers = plan.patient.phone
    ds.PatientWeight = "71.5"
    ds.StudyInstanceUID = plan.uid
    ds.SeriesInstanceUID = plan.series_uid(series)
    ds.FrameOfReferenceUID = f"{plan.uid}.9.{series}"
    ds.PositionReferenceIndicator = ""
    ds.StudyID = "S-1"
    ds.SeriesNumber = series
    ds.InstanceNumber = instance
    ds.ImagePositionPatient = [0, 0, instance]
    ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    ds.PixelSpacing = [1, 1]
    ds.SliceThickness = 3
    return ds


def _pixels(ds: Dataset, size: int, seed: int) -> None:
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.Rows = ds.Columns = size
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit = 15
    ds.PixelRepresentation = 0
    pixels = np.random.default_rng(seed).integers(0, 4096, (size, size), dtype=np.uint16)
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OW"


def ct(plan: StudyPlan = StudyPlan(), instance: int = 1, *, series: int = 1, size: int = 64) -> Dataset:
    ds = _common(plan, CTImageStorage, "CT", instance, series)
    ds.KVP = 120
    ds.RescaleIntercept = -1024
    ds.RescaleSlope = 1
    ds.AcquisitionNumber = 1
    related = Dataset()
    related.ReferencedSOPClassUID = CTImageStorage
    related.ReferencedSOPInstanceUID = plan.sop_uid(max(1, instance - 1), series)
    ds.ReferencedImageSequence = [related]
    _pixels(ds, size, instance)
    return _finished(ds, plan)


def mr(
    plan: StudyPlan = StudyPlan(number=2), instance: int = 1, *, series: int = 1, size: int = 64
) -> Dataset:
    ds = _common(plan, MRImageStorage, "MR", instance, series)
    ds.ScanningSequence, ds.SequenceVariant, ds.ScanOptions = "SE", "NONE", ""
    ds.MRAcquisitionType, ds.EchoTime, ds.RepetitionTime, ds.EchoTrainLength = "2D", 15, 500, 1
    _pixels(ds, size, instance)
    return _finished(ds, plan)


def pet(
    plan: StudyPlan = StudyPlan(number=3), instance: int = 1, *, series: int = 1, size: int = 64
) -> Dataset:
    """A PET slice from which SUV can be computed: weight, injected dose, injection and acquisition time."""
    ds = _common(plan, PositronEmissionTomographyImageStorage, "PT", instance, series)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.PatientSize = "1.68"
    ds.Units, ds.CountsSource, ds.SeriesType = "BQML", "EMISSION", ["WHOLE BODY", "IMAGE"]
    ds.NumberOfSlices, ds.DecayCorrection = 4, "START"
    ds.CorrectedImage = ["DECY", "ATTN"]
    ds.CollimatorType, ds.ReprojectionMethod = "", ""
    ds.ActualFrameDuration, ds.FrameReferenceTime, ds.ImageIndex = 120000, 60000, instance
    ds.RescaleIntercept, ds.RescaleSlope = 0, "2.5"
    dose = Dataset()
    dose.Radiopharmaceutical = "Fluorodeoxyglucose F^18^"
    dose.RadiopharmaceuticalStartTime = "083000.000000"
    dose.RadionuclideTotalDose = "370000000"
    dose.RadionuclideHalfLife = "6586.2"
    dose.RadionuclidePositronFraction = "0.967"
    ds.RadiopharmaceuticalInformationSequence = [dose]
    _pixels(ds, size, instance)
    return _finished(ds, plan)


def _finished(ds: Dataset, plan: StudyPlan) -> Dataset:
    for keyword, value in plan.extra.items():
        setattr(ds, keyword, value)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def part10(ds: Dataset) -> bytes:
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def save(ds: Dataset, folder: Path) -> Path:
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    path.write_bytes(part10(ds))
    return path


def spellings(needle: str) -> set[bytes]:
    """The byte sequences a needle may hide as."""
    forms = {needle, needle.upper(), needle.lower(), needle.replace("^", " "), needle.replace("^", ", ")}
    encodings = ("utf-8", "latin-1", "utf-16-le", "utf-16-be")
    return {form.encode(encoding) for form in forms for encoding in encodings}

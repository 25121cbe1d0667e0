"""A PET series of our own making, with all that SUV needs: weight, injected dose, time of injection, half-life."""

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage

SLICES, SIZE = 6, 64
STUDY = "1.2.826.0.1.3680043.10.1561.77.1"
DAY, SCANNED, INJECTED = "20240115", "093000", "083000"
SLOPE = "0.5"


def write(folder: Path) -> list[Path]:
    files = []
    for number in range(1, SLICES + 1):
        path = folder / f"pet-{number}.dcm"
        _slice(number).save_as(path, enforce_file_format=True)
        files.append(path)
    return files


def _slice(number: int) -> Dataset:
    ds = Dataset()
    for keyword, value in (_who() | _study() | _series() | _image(number) | _pixels(number)).items():
        setattr(ds, keyword, value)
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


def _who() -> dict[str, object]:
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "PatientName": "Example^Ada",
        "PatientID": "AE-4711",
        "IssuerOfPatientID": "EXAMPLE HOSPITAL",
        "PatientBirthDate": "19510317",
        "PatientSex": "F",
        "PatientWeight": "71.5",
        "PatientSize": "1.68",
        "PatientAddress": "17 Quince Crescent",
    }


def _study() -> dict[str, object]:
    return {
        "StudyInstanceUID": STUDY,
        "StudyDate": DAY,
        "StudyTime": INJECTED,
        "StudyID": "S-77",
        "StudyDescription": "PET whole body, follow-up of Ada Example",
        "AccessionNumber": "ACC-77120",
        "InstitutionName": "Example Hospital",
        "ReferringPhysicianName": "Referrer^Octavia",
    }


def _series() -> dict[str, object]:
    dose = Dataset()
    dose.Radiopharmaceutical = "Fluorodeoxyglucose F^18^"
    dose.RadiopharmaceuticalStartTime = INJECTED
    dose.RadionuclideTotalDose = "370000000"
    dose.RadionuclideHalfLife = "6586.2"
    dose.RadionuclidePositronFraction = "0.967"
    return {
        "Modality": "PT",
        "SeriesInstanceUID": f"{STUDY}.1",
        "FrameOfReferenceUID": f"{STUDY}.9",
        "PositionReferenceIndicator": "",
        "SeriesNumber": "1",
        "SeriesDate": DAY,
        "SeriesTime": SCANNED,
        "SeriesDescription": "PET AC",
        "SeriesType": ["WHOLE BODY", "IMAGE"],
        "Manufacturer": "Example Imaging",
        "Units": "BQML",
        "CountsSource": "EMISSION",
        "NumberOfSlices": SLICES,
        "DecayCorrection": "START",
        "CorrectedImage": ["DECY", "ATTN"],
        "CollimatorType": "",
        "RadiopharmaceuticalInformationSequence": [dose],
    }


def _image(number: int) -> dict[str, object]:
    return {
        "SOPClassUID": PositronEmissionTomographyImageStorage,
        "SOPInstanceUID": f"{STUDY}.1.{number}",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "InstanceNumber": number,
        "ImageIndex": number,
        "AcquisitionDate": DAY,
        "AcquisitionTime": SCANNED,
        "ActualFrameDuration": "120000",
        "FrameReferenceTime": "60000",
        "ImagePositionPatient": [0, 0, 4 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [4, 4],
        "SliceThickness": "4",
        "RescaleIntercept": "0",
        "RescaleSlope": SLOPE,
    }


def _pixels(number: int) -> dict[str, object]:
    """A warm ball in a cool room."""
    axis = np.linspace(-1, 1, SIZE)
    distance = np.hypot(*np.meshgrid(axis, axis)) + abs(number - SLICES / 2) / SLICES
    pixels = (2_000 + 30_000 * np.exp(-6 * distance**2)).astype(np.uint16)
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": SIZE,
        "Columns": SIZE,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": pixels.tobytes(),
    }

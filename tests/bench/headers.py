"""Realistic headers for benchmarks: a CT of about 300 elements, an MR of about 140, an enhanced MR with functional
groups, a structured report. Made by our own code; instances of one series differ as real ones do.
"""

from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests import cast

ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"

_CT: dict[str, Any] = {
    "SpecificCharacterSet": "ISO_IR 100", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "StudyID": "7261",
    "AcquisitionDate": "20240311", "ContentDate": "20240311", "AcquisitionTime": "101112.5",
    "ContentTime": "101113", "InstitutionAddress": "2 Hollyhock Square", "StationName": "CTEAST07",
    "InstitutionalDepartmentName": "Radiology", "ManufacturerModelName": "Example 64",
    "ScanOptions": "HELICAL MODE", "SliceThickness": "1.25", "KVP": "120", "DataCollectionDiameter": "500",
    "SoftwareVersions": "gmp_vct.42", "ReconstructionDiameter": "360", "DistanceSourceToDetector": "949.075",
    "DistanceSourceToPatient": "541", "GantryDetectorTilt": "0", "TableHeight": "141.5",
    "RotationDirection": "CW", "ExposureTime": "820", "XRayTubeCurrent": "310", "Exposure": "24",
    "FilterType": "BODY FILTER", "GeneratorPower": "37200", "FocalSpots": "1.2",
    "ConvolutionKernel": "STANDARD", "PatientPosition": "FFS", "RevolutionTime": 0.8,
    "SingleCollimationWidth": 0.625, "TotalCollimationWidth": 40.0, "TableSpeed": 68.75,
    "TableFeedPerRotation": 55.0, "SpiralPitchFactor": 1.375, "CTDIvol": 11.4,
    "AcquisitionNumber": 1, "PositionReferenceIndicator": "SN", "SliceLocation": "-118.75",
    "ImagesInAcquisition": 412, "ProtocolName": "5.1 Chest routine", "BodyPartExamined": "CHEST",
    "DeviceSerialNumber": "CT0099123", "PatientSize": "1.68", "PatientComments": "none",
    "AdditionalPatientHistory": "cough", "WindowCenter": ["40", "-600"], "WindowWidth": ["400", "1500"],
    "WindowCenterWidthExplanation": ["MEDIASTINUM", "LUNG"], "RescaleIntercept": "-1024", "RescaleSlope": "1",
    "RescaleType": "HU", "PerformedProcedureStepStartDate": "20240311", "SmallestImagePixelValue": 0,
    "PerformedProcedureStepStartTime": "101000", "PerformedProcedureStepDescription": "CT chest",
    "RequestingPhysician": cast.REFERRER, "RequestedProcedureDescription": "CT chest with contrast",
    "ContrastBolusAgent": "IOMEPROL", "PixelAspectRatio": ["1", "1"], "LossyImageCompression": "00",
}  # fmt: skip
_MR: dict[str, Any] = {
    "ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"], "AcquisitionDate": "20240311", "StudyID": "88",
    "AcquisitionTime": "111213", "ContentDate": "20240311", "ContentTime": "111214", "StationName": "MRWEST1",
    "InstitutionAddress": "2 Hollyhock Square", "ManufacturerModelName": "Example 3T",
    "ScanningSequence": "SE", "SequenceVariant": "SK", "ScanOptions": "FS", "MRAcquisitionType": "2D",
    "SequenceName": "*tse2d1_15", "AngioFlag": "N", "SliceThickness": "4", "RepetitionTime": "3800",
    "EchoTime": "92", "NumberOfAverages": "2", "ImagingFrequency": "123.25", "ImagedNucleus": "1H",
    "EchoNumbers": "1", "MagneticFieldStrength": "3", "SpacingBetweenSlices": "4.4",
    "NumberOfPhaseEncodingSteps": "320", "EchoTrainLength": "15", "PercentSampling": "100",
    "PercentPhaseFieldOfView": "87.5", "PixelBandwidth": "223", "DeviceSerialNumber": "45099",
    "SoftwareVersions": "syngo MR E11", "ProtocolName": "t2_tse_tra", "TransmitCoilName": "Body",
    "AcquisitionMatrix": [0, 384, 272, 0], "InPlanePhaseEncodingDirection": "ROW", "FlipAngle": "150",
    "VariableFlipAngleFlag": "N", "SAR": "0.93", "dBdt": "0", "PatientPosition": "HFS",
    "BodyPartExamined": "HEAD", "SliceLocation": "22.5", "WindowCenter": "480", "WindowWidth": "1100",
    "PerformedProcedureStepStartDate": "20240311", "PerformedProcedureStepStartTime": "110000",
    "PerformedProcedureStepDescription": "MR head", "PatientSize": "1.68", "AcquisitionNumber": 1,
    "RequestedProcedureDescription": "MR head", "SmallestImagePixelValue": 0, "LargestImagePixelValue": 1200,
}  # fmt: skip


def ct(number: int) -> Dataset:
    ds = cast.ct(instance=number, size=64)
    _set(ds, _CT)
    ds.SliceLocation = str(-118.75 + 1.25 * number)
    ds.ReferencedImageSequence = _items(
        [{"ReferencedSOPClassUID": MR_IMAGE, "ReferencedSOPInstanceUID": "1.2.3.4"}] * 2
    )
    ds.RequestAttributesSequence = _items(
        [{"ScheduledProcedureStepID": "SPS1", "RequestedProcedureID": "RP1"}]
    )
    ds.ProcedureCodeSequence = _code("P5-08000", "CT of chest")
    _private(ds, 0x0009, "GEMS_IDEN_01", 20)
    _private(ds, 0x0019, "GEMS_ACQU_01", 60)
    _private(ds, 0x0027, "GEMS_IMAG_01", 35)
    _private(ds, 0x0043, "GEMS_PARM_01", 45)
    return ds


def mr(number: int) -> Dataset:
    ds = cast.mr(instance=number, size=64)
    _set(ds, _MR)
    ds.SliceLocation = str(22.5 + 4.4 * number)
    ds.ReferencedImageSequence = _items(
        [{"ReferencedSOPClassUID": MR_IMAGE, "ReferencedSOPInstanceUID": "1.2.3.4"}] * 3
    )
    ds.ProcedureCodeSequence = _code("P5-09000", "MR of head")
    _private(ds, 0x0029, "SIEMENS CSA HEADER", 8)
    _private(ds, 0x0051, "SIEMENS MR HEADER", 12)
    return ds


def enhanced_mr(number: int, frames: int = 120) -> Dataset:
    ds = cast.mr(instance=number, size=8)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    ds.NumberOfFrames, ds.PixelData = frames, ds.PixelData * frames
    ds.SharedFunctionalGroupsSequence = _items(
        [
            {
                "MRTimingAndRelatedParametersSequence": _items(
                    [{"RepetitionTime": "500", "FlipAngle": "90", "EchoTrainLength": "1"}]
                ),
                "PixelMeasuresSequence": _items([{"SliceThickness": "3", "PixelSpacing": ["0.9", "0.9"]}]),
            }
        ]
    )
    ds.PerFrameFunctionalGroupsSequence = Sequence([_frame(number, frame) for frame in range(frames)])
    return ds


def _frame(number: int, frame: int) -> Dataset:
    return _filled(
        {
            "FrameContentSequence": _items(
                [
                    {
                        "FrameAcquisitionDateTime": f"20240311101112.{frame:03}",
                        "FrameReferenceDateTime": "20240311101112",
                        "FrameAcquisitionDuration": 12.5,
                        "StackID": "1",
                        "InStackPositionNumber": frame + 1,
                        "DimensionIndexValues": [1, frame + 1],
                    }
                ]
            ),
            "PlanePositionSequence": _items([{"ImagePositionPatient": ["-100.5", "-120", str(frame * 3.3)]}]),
            "PlaneOrientationSequence": _items([{"ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]}]),
            "FrameVOILUTSequence": _items([{"WindowCenter": str(200 + frame), "WindowWidth": "400"}]),
            "PixelValueTransformationSequence": _items(
                [{"RescaleIntercept": "0", "RescaleSlope": "1", "RescaleType": "US"}]
            ),
            "MRImageFrameTypeSequence": _items(
                [
                    {
                        "FrameType": ["ORIGINAL", "PRIMARY", "M", "NONE"],
                        "PixelPresentation": "MONOCHROME",
                        "VolumetricProperties": "VOLUME",
                        "VolumeBasedCalculationTechnique": "NONE",
                        "ComplexImageComponent": "MAGNITUDE",
                        "AcquisitionContrast": "T1",
                    }
                ]
            ),
            "MREchoSequence": _items([{"EffectiveEchoTime": 15.0}]),
            "FrameAnatomySequence": _items(
                [{"FrameLaterality": "U", "AnatomicRegionSequence": _code("T-A0100", "Brain")}]
            ),
            "ReferencedImageSequence": _items(
                [
                    {
                        "ReferencedSOPClassUID": MR_IMAGE,
                        "ReferencedSOPInstanceUID": f"{cast.ROOT}.77.{number}.{frame}",
                    }
                ]
            ),
        }
    )


def report(number: int, items: int = 500) -> Dataset:
    ds = cast.mr(instance=number, size=8)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = COMPREHENSIVE_SR
    ds.Modality = "SR"
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        delattr(ds, keyword)
    _set(ds, {"ValueType": "CONTAINER", "ContinuityOfContent": "SEPARATE", "CompletionFlag": "COMPLETE"})
    ds.ConceptNameCodeSequence = _code("126000", "Imaging Measurement Report")
    ds.ContentSequence = Sequence([_content(number, one) for one in range(items)])
    return ds


def _content(number: int, one: int) -> Dataset:
    kinds: tuple[dict[str, Any], ...] = (
        {
            "ValueType": "NUM",
            "ConceptNameCodeSequence": _code("G-D705", "Volume"),
            "MeasuredValueSequence": _items(
                [{"NumericValue": str(one * 1.5), "MeasurementUnitsCodeSequence": _code("mm3", "mm3")}]
            ),
        },
        {
            "ValueType": "TEXT",
            "ConceptNameCodeSequence": _code("121071", "Finding"),
            "TextValue": f"Small nodule in the left lobe, size {one} mm",
        },
        {
            "ValueType": "CODE",
            "ConceptNameCodeSequence": _code("121071", "Finding"),
            "ConceptCodeSequence": _code("M-03010", "Nodule"),
        },
        {
            "ValueType": "UIDREF",
            "ConceptNameCodeSequence": _code("112040", "Tracking Unique Identifier"),
            "UID": f"{cast.ROOT}.78.{number}.{one}",
        },
    )
    return _filled({"RelationshipType": "CONTAINS", **kinds[one % 4]})


def _set(ds: Dataset, values: dict[str, Any]) -> None:
    for keyword, value in values.items():
        setattr(ds, keyword, value)


def _filled(values: dict[str, Any]) -> Dataset:
    ds = Dataset()
    _set(ds, values)
    return ds


def _items(values: list[dict[str, Any]]) -> Sequence:
    return Sequence([_filled(one) for one in values])


def _code(value: str, meaning: str) -> Sequence:
    return _items([{"CodeValue": value, "CodingSchemeDesignator": "DCM", "CodeMeaning": meaning}])


def _private(ds: Dataset, group: int, creator: str, count: int) -> None:
    block = ds.private_block(group, creator, create=True)
    values: tuple[tuple[str, Any], ...] = (
        ("SS", 3),
        ("DS", "1.5"),
        ("LO", "0.0.4"),
        ("FL", 0.25),
        ("SL", 77),
    )
    for offset in range(1, count + 1):
        vr, value = values[offset % len(values)]
        block.add_new(offset, vr, value)

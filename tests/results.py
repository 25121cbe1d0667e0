"""What an AI or a reader outside makes of images: real objects, by highdicom where it makes them, else by pydicom."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from io import BytesIO
from typing import Any

import highdicom as hd
import numpy as np
from highdicom import sr
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence as Items
from pydicom.sr.codedict import codes
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

MADE = datetime(2026, 3, 4, 5, 6, 7)
Images = Sequence[Dataset]
WHO: dict[str, Any] = {
    "manufacturer": "Outside AI",
    "manufacturer_model_name": "Marker",
    "software_versions": "1.0",
}


def _new() -> dict[str, Any]:
    return {
        "series_instance_uid": generate_uid(),
        "series_number": 900,
        "sop_instance_uid": generate_uid(),
        "instance_number": 1,
    }


def segmentation(images: Images) -> Dataset:
    mask = np.zeros((len(images), images[0].Rows, images[0].Columns), dtype=np.uint8)
    mask[:, 2:5, 3:7] = 1
    algorithm = hd.AlgorithmIdentificationSequence(
        name="marker", version="1.0", family=codes.DCM.ArtificialIntelligence
    )
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="lesion",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
    )
    return hd.seg.Segmentation(
        source_images=list(images), pixel_array=mask, segmentation_type="BINARY",
        segment_descriptions=[segment], device_serial_number="7", **WHO, **_new(),
    )  # fmt: skip


def report(images: Images) -> Dataset:
    """TID 1500: one measurement of one region."""
    observer = sr.DeviceObserverIdentifyingAttributes(uid=generate_uid(), name="Marker")
    context = sr.ObservationContext(
        observer_device_context=sr.ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=observer
        )
    )
    region = sr.ImageRegion(
        graphic_type=sr.GraphicTypeValues.CIRCLE,
        graphic_data=np.array([[4.0, 4.0], [6.0, 4.0]]),
        source_image=sr.SourceImageForRegion(str(images[0].SOPClassUID), str(images[0].SOPInstanceUID)),
    )
    group = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=generate_uid(), identifier="lesion 1"),
        referenced_region=region,
        finding_type=codes.SCT.Lesion,
        measurements=[sr.Measurement(codes.SCT.Diameter, value=4.2, unit=codes.UCUM.Millimeter)],
    )
    content = sr.MeasurementReport(
        observation_context=context,
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=[group],
    )
    return sr.ComprehensiveSR(
        evidence=list(images), content=content[0], manufacturer="Outside AI", is_complete=True, **_new()
    )


def key_objects(images: Images) -> Dataset:
    content = hd.ko.KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=list(images),
        description="look here",
    )
    return hd.ko.KeyObjectSelectionDocument(
        evidence=list(images), content=content, manufacturer="Outside AI", **_new()
    )


def presentation(images: Images) -> Dataset:
    layer = hd.pr.GraphicLayer(layer_name="LAYER1", order=1, description="marks")
    circle = hd.pr.GraphicObject(
        graphic_type="CIRCLE", graphic_data=np.array([[4.0, 4.0], [6.0, 4.0]]), units="PIXEL"
    )
    marks = hd.pr.GraphicAnnotation(
        referenced_images=list(images), graphic_layer=layer, graphic_objects=[circle]
    )
    return hd.pr.GrayscaleSoftcopyPresentationState(
        referenced_images=list(images), device_serial_number="7", content_label="MARKS", graphic_layers=[layer],
        graphic_annotations=[marks], concept_name=codes.DCM.PresentationState, institution_name="Outside",
        **WHO, **_new(),
    )  # fmt: skip


def parametric_map(images: Images) -> Dataset:
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="1", lut_explanation="probability", unit=codes.UCUM.NoUnits, value_range=(0.0, 1.0),
        slope=1.0, intercept=0.0,
    )  # fmt: skip
    pixels = np.full((len(images), images[0].Rows, images[0].Columns), 0.25, dtype=np.float32)
    return hd.pm.ParametricMap(
        source_images=list(images), pixel_array=pixels, contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping], window_center=0.5, window_width=1.0, device_serial_number="7",
        **WHO, **_new(),
    )  # fmt: skip


def _derived(images: Images, sop_class: str, modality: str) -> Dataset:
    """Patient and study copied, as tools do; a series of its own."""
    ds, image = Dataset(), images[0]
    for name in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
                 "StudyTime", "AccessionNumber", "StudyID", "ReferringPhysicianName", "PatientIdentityRemoved",
                 "DeidentificationMethodCodeSequence", "SpecificCharacterSet"):  # fmt: skip
        if name in image:
            ds[name] = deepcopy(image[name])
    ds.SOPClassUID, ds.SOPInstanceUID, ds.SeriesInstanceUID = sop_class, generate_uid(), generate_uid()
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber, ds.Manufacturer = modality, 901, 1, "Outside AI"
    ds.ContentDate, ds.ContentTime = MADE.strftime("%Y%m%d"), MADE.strftime("%H%M%S")
    return _with_meta(ds)


def _with_meta(ds: Dataset) -> Dataset:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    return ds


def reference(image: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    return item


def structure_set(images: Images) -> Dataset:
    ds = _derived(images, RTStructureSetStorage, "RTSTRUCT")
    ds.StructureSetLabel, ds.StructureSetDate, ds.StructureSetTime = "lesions", "20260304", "050607"
    series, study, frame, roi = Dataset(), Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = images[0].SeriesInstanceUID
    series.ContourImageSequence = Items([reference(image) for image in images])
    study.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    study.ReferencedSOPInstanceUID = images[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = Items([series])
    frame.FrameOfReferenceUID = images[0].FrameOfReferenceUID
    frame.RTReferencedStudySequence = Items([study])
    ds.ReferencedFrameOfReferenceSequence = Items([frame])
    roi.ROINumber, roi.ReferencedFrameOfReferenceUID = 1, images[0].FrameOfReferenceUID
    roi.ROIName, roi.ROIGenerationAlgorithm = "lesion", "AUTOMATIC"
    ds.StructureSetROISequence = Items([roi])
    return ds


def capture(images: Images) -> Dataset:
    ds = _derived(images, SecondaryCaptureImageStorage, "OT")
    ds.ConversionType, ds.SourceImageSequence = "WSD", Items([reference(image) for image in images])
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.Rows, ds.Columns = 1, "MONOCHROME2", 8, 8
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation, ds.PixelData = 7, 0, bytes(64)
    ds["PixelData"].VR = "OB"
    return ds


def document(images: Images) -> Dataset:
    """It refers to no image: only its study says where it belongs."""
    ds = _derived(images, EncapsulatedPDFStorage, "DOC")
    ds.BurnedInAnnotation, ds.DocumentTitle, ds.ConversionType = "NO", "findings", "WSD"
    ds.MIMETypeOfEncapsulatedDocument, ds.EncapsulatedDocument = "application/pdf", b"%PDF-1.4 nothing\n "
    return ds


EVERY: Mapping[str, Callable[[Images], Dataset]] = {
    "SEG": segmentation, "SR": report, "KO": key_objects, "PR": presentation, "parametric map": parametric_map,
    "RTSTRUCT": structure_set, "SC": capture, "PDF": document,
}  # fmt: skip


def made(kind: str, images: Images) -> Dataset:
    """What the libraries warn of (a month is not everybody's) is not ours to judge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EVERY[kind](images)


def encoded(ds: Dataset) -> tuple[bytes, str]:
    """The data set alone, and its transfer syntax."""
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    whole = out.getvalue()
    from proxy.deid import split

    parts = split(whole)
    return bytes(parts.dataset), parts.syntax


def read(data: bytes) -> Dataset:
    return dcmread(BytesIO(data), force=True)

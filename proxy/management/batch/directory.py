"""A DICOMDIR of the clean files below a folder (PS3.10 8.6, PS3.3 F): patient, study, series, instance.

An original DICOMDIR names persons, so it is never passed. This one is made of the clean files alone. Where an
attribute that a record must have was emptied, it gets a dummy, as others who write media do.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.fileset import DIRECTORY_RECORDERS, is_conformant_file_id
from pydicom.filewriter import dcmwrite, write_dataset
from pydicom.uid import ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from proxy.deid import map_uid
from proxy.deid.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION

NAME: Final = "DICOMDIR"
ITEM_HEAD: Final = 8
IN_USE: Final = 0xFFFF
KEYS: Final[Mapping[str, Mapping[str, str | None]]] = {
    "PATIENT": {"PatientName": None, "PatientID": ""},
    "STUDY": {
        "StudyDate": "19000101", "StudyTime": "000000", "StudyDescription": None, "StudyInstanceUID": "",
        "StudyID": "1", "AccessionNumber": None,
    },
    "SERIES": {"Modality": "OT", "SeriesInstanceUID": "", "SeriesNumber": "1"},
    "IMAGE": {"InstanceNumber": "1"},
}  # fmt: skip
BY_MODALITY: Final = {
    "RTDOSE": "RT DOSE", "RTSTRUCT": "RT STRUCTURE SET", "RTPLAN": "RT PLAN", "PR": "PRESENTATION",
    "KO": "KEY OBJECT DOC", "SR": "SR DOCUMENT", "ECG": "WAVEFORM",
}  # fmt: skip
LEVELS: Final = (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID"))


@dataclass(slots=True, repr=False)
class Node:
    """A directory record and those below it."""

    record: Dataset
    below: "dict[str, Node]" = field(default_factory=dict)
    at: int = 0

    def walk(self) -> "Iterator[Node]":
        yield self
        for node in self.below.values():
            yield from node.walk()


def write(folder: Path) -> int:
    """Write folder/DICOMDIR anew for all clean files below it; how many it names."""
    roots: dict[str, Node] = {}
    count = 0
    for path in sorted(folder.rglob("*")):
        image = _read(folder, path)
        if image is not None:
            _add(roots, image, path.relative_to(folder))
            count += 1
    beside = folder / f"{NAME}.part"
    beside.write_bytes(_encoded(roots))
    with beside.open("rb") as file:
        os.fsync(file.fileno())
    beside.replace(folder / NAME)
    return count


def _read(folder: Path, path: Path) -> Dataset | None:
    within = path.relative_to(folder)
    if path.name == NAME or not path.is_file() or not is_conformant_file_id(within):
        return None
    try:
        return dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return None


def _add(roots: dict[str, Node], image: Dataset, within: Path) -> None:
    nodes = roots
    for kind, keyword in LEVELS:
        value = str(image.get(keyword, ""))
        if value not in nodes:
            nodes[value] = Node(_record(kind, image))
        nodes = nodes[value].below
    nodes[str(within)] = Node(_leaf(image, within))


def _record(kind: str, image: Dataset) -> Dataset:
    record = _head(kind, image)
    for keyword, dummy in KEYS[kind].items():
        value = image.get(keyword)
        setattr(record, keyword, dummy if value in (None, "") else value)
    return record


def _head(kind: str, image: Dataset) -> Dataset:
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = IN_USE
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = kind
    if "SpecificCharacterSet" in image:
        record.SpecificCharacterSet = image.SpecificCharacterSet
    return record


def _leaf(image: Dataset, within: Path) -> Dataset:
    record = _special(image) or _record("IMAGE", image)
    record.ReferencedFileID = list(within.parts)
    record.ReferencedSOPClassUIDInFile = image.SOPClassUID
    record.ReferencedSOPInstanceUIDInFile = image.SOPInstanceUID
    record.ReferencedTransferSyntaxUIDInFile = image.file_meta.TransferSyntaxUID
    return record


def _special(image: Dataset) -> Dataset | None:
    """Of an object that is no image and has what its own kind of record needs."""
    kind = BY_MODALITY.get(str(image.get("Modality", "")))
    if kind is None:
        return None
    try:
        own: Any = DIRECTORY_RECORDERS[kind](image)
    except ValueError:
        return None
    record = _head(kind, image)
    record.update(own)
    return record


def _encoded(roots: dict[str, Node]) -> bytes:
    """Offsets have a fixed length: written once to learn where each record lies, and again with what was learned."""
    nodes = [node for root in roots.values() for node in root.walk()]
    whole = _file(nodes, roots)
    at = len(whole) - sum(_size(node) for node in nodes)
    for node in nodes:
        node.at = at
        at += _size(node)
    _link(list(roots.values()))
    return _file(nodes, roots)


def _link(nodes: Sequence[Node]) -> None:
    for node, following in zip(nodes, [*nodes[1:], None], strict=False):
        node.record.OffsetOfTheNextDirectoryRecord = following.at if following else 0
        below = list(node.below.values())
        node.record.OffsetOfReferencedLowerLevelDirectoryEntity = below[0].at if below else 0
        _link(below)


def _size(node: Node) -> int:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, node.record)
    return ITEM_HEAD + len(out.getvalue())


def _file(nodes: Sequence[Node], roots: dict[str, Node]) -> bytes:
    ends = list(roots.values())
    ds = Dataset()
    ds.FileSetID = "POSTERN"
    ds.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = ends[0].at if ends else 0
    ds.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = ends[-1].at if ends else 0
    ds.FileSetConsistencyFlag = 0
    ds.DirectoryRecordSequence = [node.record for node in nodes]
    ds.file_meta = _meta(nodes)
    out = BytesIO()
    dcmwrite(out, ds, enforce_file_format=True)
    return out.getvalue()


def _meta(nodes: Sequence[Node]) -> FileMetaDataset:
    """The UID follows from what the file set holds, so that the same files have the same directory."""
    names = [str(node.record.get("ReferencedSOPInstanceUIDInFile", "")) for node in nodes]
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = map_uid(b"file set", "\\".join(names))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    return meta

"""THE table of what a query may ask for: attributes of the index, by level (PS3.4 C.6.1.1, C.6.2.1).

What is not in it is not supported for existence: it is neither matched nor answered (PS3.4 C.2.2.1.3), and the answers
say so with 0xFF01. docs/conformance.md shows this table.
"""

from dataclasses import dataclass
from typing import Final

from proxy.network.finding import PATIENT_ROOT_FIND, STUDY_ROOT_FIND
from proxy.studies.nested import SEQUENCES, Part

PATIENT, STUDY, SERIES, IMAGE = "PATIENT", "STUDY", "SERIES", "IMAGE"
LEVELS: Final = (PATIENT, STUDY, SERIES, IMAGE)
MODELS: Final = {PATIENT_ROOT_FIND: LEVELS, STUDY_ROOT_FIND: LEVELS[1:]}

UNIQUE, REQUIRED, OPTIONAL = "U", "R", "O"
CHARACTER_SET, LEVEL, RETRIEVE_AE = 0x00080005, 0x00080052, 0x00080054
AVAILABILITY, TIMEZONE = 0x00080056, 0x00080201
IGNORED: Final = frozenset({CHARACTER_SET, LEVEL})


@dataclass(frozen=True, slots=True)
class Attribute:
    """`column` of its level's table; computed where there is none. `matches`: also supported for matching."""

    keyword: str
    tag: int
    vr: str
    level: str
    kind: str
    column: str = ""
    matches: bool = True

    @property
    def is_computed(self) -> bool:
        return not self.column

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is kept of a sequence's items."""
        return SEQUENCES.get(self.tag, ())


def _counted(keyword: str, tag: int, level: str) -> Attribute:
    return Attribute(keyword, tag, "IS", level, OPTIONAL, matches=False)


TABLE: Final = (
    Attribute("PatientID", 0x00100020, "LO", PATIENT, UNIQUE, "patient"),
    Attribute("PatientName", 0x00100010, "PN", PATIENT, REQUIRED, "patient"),
    Attribute("PatientBirthDate", 0x00100030, "DA", PATIENT, OPTIONAL, "birth_date"),
    Attribute("PatientSex", 0x00100040, "CS", PATIENT, OPTIONAL, "sex"),
    Attribute("IssuerOfPatientID", 0x00100021, "LO", PATIENT, OPTIONAL, "issuer"),
    _counted("NumberOfPatientRelatedStudies", 0x00201200, PATIENT),
    _counted("NumberOfPatientRelatedSeries", 0x00201202, PATIENT),
    _counted("NumberOfPatientRelatedInstances", 0x00201204, PATIENT),
    Attribute("StudyInstanceUID", 0x0020000D, "UI", STUDY, UNIQUE, "uid"),
    Attribute("StudyDate", 0x00080020, "DA", STUDY, REQUIRED, "date"),
    Attribute("StudyTime", 0x00080030, "TM", STUDY, REQUIRED, "time"),
    Attribute("AccessionNumber", 0x00080050, "SH", STUDY, REQUIRED, "accession"),
    Attribute("StudyID", 0x00200010, "SH", STUDY, REQUIRED, "study_id"),
    Attribute("StudyDescription", 0x00081030, "LO", STUDY, OPTIONAL, "description"),
    Attribute("ReferringPhysicianName", 0x00080090, "PN", STUDY, OPTIONAL, "referring"),
    Attribute("ProcedureCodeSequence", 0x00081032, "SQ", STUDY, OPTIONAL, "procedure_codes"),
    Attribute("PatientAge", 0x00101010, "AS", STUDY, OPTIONAL, "age"),
    Attribute("PatientSize", 0x00101020, "DS", STUDY, OPTIONAL, "patient_size", matches=False),
    Attribute("PatientWeight", 0x00101030, "DS", STUDY, OPTIONAL, "patient_weight", matches=False),
    Attribute("ModalitiesInStudy", 0x00080061, "CS", STUDY, OPTIONAL),
    Attribute("SOPClassesInStudy", 0x00080062, "UI", STUDY, OPTIONAL),
    Attribute("TimezoneOffsetFromUTC", TIMEZONE, "SH", STUDY, OPTIONAL, "timezone", matches=False),
    _counted("NumberOfStudyRelatedSeries", 0x00201206, STUDY),
    _counted("NumberOfStudyRelatedInstances", 0x00201208, STUDY),
    Attribute("SeriesInstanceUID", 0x0020000E, "UI", SERIES, UNIQUE, "uid"),
    Attribute("Modality", 0x00080060, "CS", SERIES, REQUIRED, "modality"),
    Attribute("SeriesNumber", 0x00200011, "IS", SERIES, REQUIRED, "number"),
    Attribute("SeriesDate", 0x00080021, "DA", SERIES, OPTIONAL, "date"),
    Attribute("SeriesTime", 0x00080031, "TM", SERIES, OPTIONAL, "time"),
    Attribute("SeriesDescription", 0x0008103E, "LO", SERIES, OPTIONAL, "description"),
    Attribute("BodyPartExamined", 0x00180015, "CS", SERIES, OPTIONAL, "body_part"),
    Attribute("Laterality", 0x00200060, "CS", SERIES, OPTIONAL, "laterality"),
    Attribute("AnatomicRegionSequence", 0x00082218, "SQ", SERIES, OPTIONAL, "anatomic_region"),
    Attribute("ProtocolName", 0x00181030, "LO", SERIES, OPTIONAL, "protocol"),
    Attribute("PerformedProcedureStepStartDate", 0x00400244, "DA", SERIES, OPTIONAL, "performed_date"),
    Attribute("PerformedProcedureStepStartTime", 0x00400245, "TM", SERIES, OPTIONAL, "performed_time"),
    Attribute("PerformedProcedureStepID", 0x00400253, "SH", SERIES, OPTIONAL, "performed_id"),
    Attribute("RequestAttributesSequence", 0x00400275, "SQ", SERIES, OPTIONAL, "request_attributes"),
    Attribute("InstitutionName", 0x00080080, "LO", SERIES, OPTIONAL, "institution"),
    Attribute("Manufacturer", 0x00080070, "LO", SERIES, OPTIONAL, "manufacturer"),
    Attribute("ManufacturerModelName", 0x00081090, "LO", SERIES, OPTIONAL, "model"),
    Attribute("StationName", 0x00081010, "SH", SERIES, OPTIONAL, "station"),
    _counted("NumberOfSeriesRelatedInstances", 0x00201209, SERIES),
    Attribute("SOPInstanceUID", 0x00080018, "UI", IMAGE, UNIQUE, "uid"),
    Attribute("InstanceNumber", 0x00200013, "IS", IMAGE, REQUIRED, "number"),
    Attribute("SOPClassUID", 0x00080016, "UI", IMAGE, OPTIONAL, "sop_class"),
    Attribute("AvailableTransferSyntaxUID", 0x00083002, "UI", IMAGE, OPTIONAL, "transfer_syntax"),
    Attribute("Rows", 0x00280010, "US", IMAGE, OPTIONAL, "pixel_rows"),
    Attribute("Columns", 0x00280011, "US", IMAGE, OPTIONAL, "pixel_columns"),
    Attribute("BitsAllocated", 0x00280100, "US", IMAGE, OPTIONAL, "bits"),
    Attribute("NumberOfFrames", 0x00280008, "IS", IMAGE, OPTIONAL, "frames"),
)
BY_TAG: Final = {one.tag: one for one in TABLE}
BY_KEYWORD: Final = {one.keyword: one for one in TABLE}
UNIQUE_KEYS: Final = {one.level: one for one in TABLE if one.kind == UNIQUE}

ONLINE: Final = "ONLINE"
SAID: Final = {RETRIEVE_AE: "AE", AVAILABILITY: "CS"}
"""Answered where they are asked for (the first of them always), and never matched."""


def is_above(level: str, other: str) -> bool:
    return LEVELS.index(level) < LEVELS.index(other)


def levels_to(model: str, level: str) -> tuple[str, ...]:
    """Those of the model above this one, from the top."""
    return tuple(one for one in MODELS[model] if is_above(one, level))

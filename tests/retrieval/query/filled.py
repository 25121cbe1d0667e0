"""An index filled by code: each image a plain dict by keyword, which the oracle looks at and the rows are made of."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from proxy.retrieval.query.attributes import BY_KEYWORD
from proxy.routing.models import Node, Project, Route
from proxy.studies.models import Instance, Revision, Series, Study
from proxy.vault.models import Person

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
CT, PT, SEG = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.128", "1.2.840.10008.5.1.4.1.1.66.4"
EXPLICIT = "1.2.840.10008.1.2.1"
Image = dict[str, str]

PERSONS = [
    ("ANON-ADA2345672345672", "19510317", "F"),
    ("ANON-BEN2345672345672", "19640822", "M"),
    ("ANON-CLEO234567234567", "", "F"),
]
STUDIES = [
    ("20240115", "093012", "ACC-1", "Thorax", "S1"),
    ("20240115", "1030", "ACC-2", "Thorax à jeun", "S2"),
    ("20240201", "235959.5", "ACC-10", "Schädel", ""),
    ("20231231", "", "", "", "S4"),
    ("", "080000", "XACC-1", "thorax", "S5"),
    ("20240302", "000000", "ACC-1*", "膝", "S6"),
]
SERIES = [("CT", "1", CT, "CHEST"), ("PT", "02", PT, "CHEST"), ("SEG", "", SEG, "")]


def code(value: str, meaning: str) -> dict[str, str]:
    return {"CodeValue": value, "CodingSchemeDesignator": "99POS", "CodeMeaning": meaning}


CODES = [
    [code("CT1", "CT of the thorax")],
    [code("CT1", "CT of the thorax"), code("CT2", "CT des Schädels")],
    [],
    [{"CodeValue": "CT2"}],
]
REQUESTS: list[list[dict[str, Any]]] = [
    [{"ScheduledProcedureStepID": "SPS-1", "RequestedProcedureID": "RP-1"}],
    [
        {"ScheduledProcedureStepID": "SPS-1", "RequestedProcedureID": "RP-2"},
        {"ScheduledProcedureStepID": "SPS-2", "RequestedProcedureID": "RP-1",
         "RequestedProcedureCodeSequence": CODES[1]},
    ],
    [{"RequestedProcedureDescription": "Schädel", "RequestedProcedureCodeSequence": CODES[0]}],
    [],
]  # fmt: skip
"""Where the keys of items match together, and where only each for itself."""
MORE_OF_STUDY = {
    "IssuerOfPatientID": ["", "HOSP", "HOSP"],  # one for each person
    "ReferringPhysicianName": ["Octavia^R", ""],
    "PatientAge": ["072Y", "", "008M"],
    "PatientSize": ["1.7", ""],
    "PatientWeight": ["71.5"],
    "TimezoneOffsetFromUTC": ["", "-0330", "+0100"],
    "ProcedureCodeSequence": [json.dumps(one) if one else "" for one in CODES],
}
MORE_OF_SERIES = {
    "Laterality": ["", "L"],
    "ProtocolName": ["Thorax 3 mm", "Schädel"],
    "PerformedProcedureStepStartDate": ["20240115", "", "20231231"],
    "PerformedProcedureStepStartTime": ["0930", ""],
    "PerformedProcedureStepID": ["PPS-1", "PPS-2", ""],
    "InstitutionName": ["ANONYMIZED"],
    "Manufacturer": ["Example Imaging", ""],
    "ManufacturerModelName": ["Ex 1", "Ex 2"],
    "StationName": ["", "CT_EAST"],
    "AnatomicRegionSequence": [json.dumps([code("T-D3000", "Chest")]), ""],
    "RequestAttributesSequence": [json.dumps(one) if one else "" for one in REQUESTS],
}
MORE_OF_IMAGE = {
    "Rows": ["512", "64"],
    "Columns": ["512"],
    "BitsAllocated": ["16", "8"],
    "NumberOfFrames": ["", "12"],
}


def images() -> list[Image]:
    """Of two projects, which have a person's pseudonym in common by chance."""
    found: list[Image] = []
    for number, study in enumerate(STUDIES):
        person = PERSONS[number % len(PERSONS)]
        for project in ("default", "other") if number < 2 else ("default",):
            found += _of_study(project, number, person, study)
    return found


def _of_study(project: str, number: int, person: tuple[str, ...], study: tuple[str, ...]) -> Iterable[Image]:
    base = f"1.2.{1 if project == 'default' else 2}.{number}"
    of_study = {key: some[number % len(some)] for key, some in MORE_OF_STUDY.items()}
    for series, (modality, series_number, sop_class, body) in enumerate(SERIES[: 1 + number % 3]):
        of_series = {key: some[(number + series) % len(some)] for key, some in MORE_OF_SERIES.items()}
        for instance in range(1, 3 + number % 2):
            of_image = {key: some[instance % len(some)] for key, some in MORE_OF_IMAGE.items()}
            yield {
                "project": project,
                "state": "released",
                "PatientID": person[0],
                "PatientName": person[0],
                "PatientBirthDate": person[1],
                "PatientSex": person[2],
                "StudyInstanceUID": base,
                "StudyDate": study[0],
                "StudyTime": study[1],
                "AccessionNumber": study[2],
                "StudyDescription": study[3],
                "StudyID": study[4],
                "SeriesInstanceUID": f"{base}.{series}",
                "Modality": modality,
                "SeriesNumber": series_number,
                "SeriesDate": study[0],
                "SeriesTime": study[1],
                "SeriesDescription": f"{modality} {study[3]}".strip(),
                "BodyPartExamined": body,
                "SOPInstanceUID": f"{base}.{series}.{instance}",
                "InstanceNumber": str(instance),
                "SOPClassUID": sop_class,
                "AvailableTransferSyntaxUID": EXPLICIT,
                **of_study,
                **of_series,
                **of_image,
            }


def fill(every: Iterable[Image]) -> None:
    for image in every:
        _add(image)


def _add(image: Image) -> None:
    project, _ = Project.objects.get_or_create(name=image["project"])
    route, _ = Route.objects.get_or_create(
        called_ae=image["project"].upper(), project=project, review=image.get("review") == "yes"
    )
    _person(project.pk, image["PatientID"])
    study, _ = Study.objects.get_or_create(
        project=project, uid=image["StudyInstanceUID"], defaults=_study_values(image)
    )
    revision, _ = Revision.objects.get_or_create(
        study=study,
        route=route,
        state=image["state"],
        defaults={"number": study.revisions.count() + 1, "opened_at": NOW, "quiet_at": NOW},
    )
    series, _ = Series.objects.get_or_create(
        study=study, uid=image["SeriesInstanceUID"], defaults=_series_values(image)
    )
    Instance.objects.create(
        project=project,
        revision=revision,
        series=series,
        ordinal=revision.total,
        uid=image["SOPInstanceUID"],
        sop_class=image["SOPClassUID"],
        transfer_syntax=image["AvailableTransferSyntaxUID"],
        number=image["InstanceNumber"],
        path=f"{project.pk}/{image['SOPInstanceUID']}.dcm",
        size=1,
        pixel_rows=image["Rows"],
        pixel_columns=image["Columns"],
        bits=image["BitsAllocated"],
        frames=image["NumberOfFrames"],
        header_mac="",
        bulk_digest="",
        received_at=NOW,
    )
    Revision.objects.filter(pk=revision.pk).update(total=revision.total + 1)


def _person(project_id: int, pseudonym: str) -> None:
    facts = {"shift_days": -10, "wrapped_key": b"k", "identity": b"i", "normal_version": 1}
    Person.objects.get_or_create(
        project_id=project_id, pseudonym=pseudonym, defaults={"blind": pseudonym.lower(), **facts}
    )


def _study_values(image: Image) -> dict[str, Any]:
    return {
        "patient": image["PatientID"],
        "birth_date": image["PatientBirthDate"],
        "sex": image["PatientSex"],
        "date": image["StudyDate"],
        "time": image["StudyTime"],
        "accession": image["AccessionNumber"],
        "description": image["StudyDescription"],
        "study_id": image["StudyID"],
        "received_at": NOW,
        **_columns(image, MORE_OF_STUDY),
        "held_at": NOW if image.get("held") == "yes" else None,
    }


def _series_values(image: Image) -> dict[str, str]:
    return {
        "modality": image["Modality"],
        "number": image["SeriesNumber"],
        "date": image["SeriesDate"],
        "time": image["SeriesTime"],
        "description": image["SeriesDescription"],
        "body_part": image["BodyPartExamined"],
        **_columns(image, MORE_OF_SERIES),
    }


def _columns(image: Image, keywords: Iterable[str]) -> dict[str, str]:
    return {BY_KEYWORD[one].column: image[one] for one in keywords}


def node(name: str, projects: Iterable[str] = ("default",), **said: Any) -> Node:
    made = Node.objects.create(
        name=name, ae_title=name, host="127.0.0.1", port=104, **{"may": ["find"], **said}
    )
    made.projects.set(Project.objects.filter(name__in=list(projects)))
    return made

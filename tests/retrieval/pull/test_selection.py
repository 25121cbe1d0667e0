"""What may be asked of a PACS, how fast and when: values in, values out; what is wrong is said without quoting it."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.network.inquiring import Answer
from proxy.retrieval.pulls import inventory
from proxy.retrieval.pulls.answers import (
    ANOTHER,
    UNREADABLE,
    WITHOUT_ISSUER,
    WITHOUT_PATIENT,
    WITHOUT_UID,
    Listed,
    judged,
    keys_of,
)
from proxy.retrieval.pulls.inventory import Image, Inventory, Series, Target
from proxy.retrieval.pulls.selection import Selection, Unusable, lines_of, read_file, read_selection
from proxy.retrieval.pulls.throttle import Pace

SECRET = "Exampleova"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("patient", f"{SECRET}*", "wildcard"),
        ("patient", f"{SECRET}?", "wildcard"),
        ("patient", f"{SECRET}\\{SECRET}", "backslash"),
        ("patient", f"{SECRET}\x07", "control character"),
        ("patient", SECRET * 9, "longer than 64"),
        ("accession", SECRET * 2, "longer than 16"),
        ("study", SECRET, "no UID"),
        ("study", "1.2.3 ٣", "no UID"),
        ("date-range", "2024", "not like"),
        ("date-range", "-", "not like"),
        ("date-range", "2024010120240131", "not like"),
        ("date-range", "20240230", "does not exist"),
        ("date-range", "20240131-20240101", "ends before"),
        ("modality", "CT", "all at once"),
        ("patient", "", "all at once"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_a_quote(name: str, value: str, why: str) -> None:
    with pytest.raises(Unusable, match=why) as refused:
        read_selection({name: value})
    assert SECRET not in str(refused.value)


def test_a_uid_that_exists_against_the_rules_is_asked_for_as_it_is() -> None:
    assert read_selection({"study": "1.2.03"}).study == "1.2.03"


@pytest.mark.parametrize("dates", ["20240101", "20240101-20240131", "20240101-", "-20240131"])
def test_dates_are_taken_as_dicom_writes_them(dates: str) -> None:
    assert read_selection({"date-range": dates}).dates == dates


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no line"),
        (b"# only this\n", "no line"),
        (b"patient;study\nx\n", "Line 1: The first line names columns"),
        (b"patient,patient\nx,y\n", "Line 1: The first line names columns"),
        (b"patient,study\nExampleova\n", "Line 2: There are 1 cells for 2 columns"),
        (b"patient\n\n\xff\xfe\n", "Line 3: The line is not UTF-8"),
        (b"patient\n" + b"x" * 5000 + b"\n", "Line 2: The line is longer than 4096 bytes"),
        (b'patient\n"Exampleova\n', "Line 2: The line is no CSV"),
        (b"patient,modality\n,CT\n", "Line 2: Say a patient"),
        (b"patient\nExampleova*\n", "Line 2: The patient has a wildcard"),
        (b"patient\nEx\0mple\n", "Line 2"),
    ],
)
def test_a_bad_line_is_named_by_its_number(text: bytes, why: str) -> None:
    with pytest.raises(Unusable, match=why) as refused:
        list(read_file(text.splitlines(keepends=True)))
    assert SECRET not in str(refused.value)


def test_a_file_without_an_end_is_not_read_to_it() -> None:
    with Path("/dev/zero").open("rb") as endless, pytest.raises(Unusable, match="Line 1: The line is longer"):
        list(read_file(lines_of(endless)))
    with pytest.raises(Unusable, match="more than 100,000 lines"):
        list(read_file(itertools.chain([b"patient\n"], itertools.repeat(b"X\n"))))


def test_a_file_of_a_spreadsheet_is_read() -> None:
    text = '\ufeffaccession,date-range\r\n"A 1",\r\n# a remark\r\n,20240101-\r\n'.encode()
    assert list(read_file(text.splitlines(keepends=True))) == [
        Selection(accession="A 1"),
        Selection(dates="20240101-"),
    ]


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_any_bytes_are_selections_or_a_line_that_is_wrong(lines: list[bytes]) -> None:
    try:
        found = list(read_file(lines))
    except Unusable as why:
        assert str(why).startswith(("Line ", "The file"))
    else:
        assert all(isinstance(one, Selection) for one in found)


# --- answers --------------------------------------------------------------------------------------


def told(**values: str) -> Answer:
    return {keyword: (value,) if value else () for keyword, value in values.items()}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (None, UNREADABLE),
        (told(PatientID="7"), WITHOUT_UID),
        (told(PatientID="7", StudyInstanceUID="1.2.x"), WITHOUT_UID),
        (told(StudyInstanceUID="1.2"), ANOTHER),
        (told(PatientID="8", StudyInstanceUID="1.2"), ANOTHER),
        (told(PatientID="7", StudyInstanceUID="1.2", ModalitiesInStudy="MR"), ANOTHER),
    ],
)
def test_an_answer_that_does_not_fit_is_left_out(answer: Answer | None, verdict: str) -> None:
    assert judged(Selection(patient="7", modality="CT"), answer) == verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("HOSPITAL", Listed("1.2", None)),
        ("hospital", Listed("1.2", None)),
        ("OTHER", ANOTHER),
        ("", WITHOUT_ISSUER),
    ],
)
def test_an_issuer_must_be_said_and_be_the_one(said: str, verdict: Listed | str) -> None:
    answer = told(PatientID="7", StudyInstanceUID="1.2", IssuerOfPatientID=said)
    assert judged(Selection(patient="7", issuer="HOSPITAL"), answer) == verdict
    assert judged(Selection(patient="7"), answer) == Listed("1.2", None)


def test_an_issuer_is_one_of_a_patient() -> None:
    with pytest.raises(Unusable, match="patient"):
        read_selection({"issuer": "HOSPITAL", "accession": "A-1"})
    assert "IssuerOfPatientID" not in keys_of(Selection(patient="7"))
    assert keys_of(Selection(patient="7", issuer="HOSPITAL"))["IssuerOfPatientID"] == "HOSPITAL"


def test_where_only_the_patient_leads_on_an_answer_must_say_who_it_is() -> None:
    answer = told(StudyInstanceUID="1.2", AccessionNumber="A-1")
    assert judged(Selection(accession="A-1"), answer, by_patient=True) == WITHOUT_PATIENT
    answer = told(StudyInstanceUID="1.2", AccessionNumber="A-1", PatientID="7")
    assert judged(Selection(accession="A-1"), answer, by_patient=True) == Listed("1.2", None, "7")


@pytest.mark.parametrize("count", ["", "-1", "many", "1e3", "9999999", "١٢"])
def test_a_count_that_cannot_be_says_nothing(count: str) -> None:
    answer = told(PatientID="7", StudyInstanceUID="1.2", NumberOfStudyRelatedInstances=count)
    assert judged(Selection(patient="7"), answer) == Listed("1.2", None)


@pytest.mark.parametrize(
    ("dates", "day", "fits"),
    [
        ("20240101-", "20240102", True), ("20240101-", "20231231", False), ("-20240101", "20240101", True),
        ("-20240101", "", False), ("20240101", "20240101", True), ("20240101-20240131", "20240201", False),
    ],
)  # fmt: skip
def test_an_answer_of_another_day_is_left_out(dates: str, day: str, fits: bool) -> None:
    answer = told(StudyInstanceUID="1.2", StudyDate=day)
    assert isinstance(judged(Selection(dates=dates), answer), Listed) is fits


# --- what is asked for ----------------------------------------------------------------------------

ALL = Inventory(
    Target("1"), tuple(Series(f"1.{s}", tuple(Image(f"1.{s}.{n}", "") for n in range(100))) for s in (1, 2))
)


def test_a_study_that_is_missing_is_asked_for_at_once() -> None:
    wanted = {image.uid for image in ALL.images}
    assert inventory.requests(ALL, wanted) == [{"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1"}]


def test_where_the_patient_must_be_said_each_request_says_so() -> None:
    all_of_them = replace(ALL, target=Target("1", "7"))
    some = {"1.1.1"} | {image.uid for image in ALL.series[1].images}
    asked = inventory.requests(all_of_them, {image.uid for image in ALL.images})
    asked += inventory.requests(all_of_them, some)
    assert [one["QueryRetrieveLevel"] for one in asked] == ["STUDY", "IMAGE", "SERIES"]
    assert {(one["PatientID"], one["StudyInstanceUID"]) for one in asked} == {("7", "1")}


def test_of_a_study_that_is_here_in_part_only_the_rest_is_asked_for() -> None:
    wanted = {image.uid for image in ALL.series[0].images} | {f"1.2.{n}" for n in range(70)}
    asked = inventory.requests(ALL, wanted)
    assert [one["QueryRetrieveLevel"] for one in asked] == ["SERIES", "IMAGE", "IMAGE"]
    assert len(asked[1]["SOPInstanceUID"]) == 64
    assert not inventory.requests(ALL, set())


# --- how fast ---------------------------------------------------------------------------


def test_a_pace_waits_so_that_no_more_come_in_a_second() -> None:
    clock = [0.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    pace = Pace(10.0, lambda: clock[0], sleep)
    for _ in range(100):
        pace()
    assert clock[0] == pytest.approx(10.0)
    clock[0] += 60.0  # nothing came for a minute, and that is not saved up
    for _ in range(100):
        pace()
    assert clock[0] == pytest.approx(79.9, abs=0.2)

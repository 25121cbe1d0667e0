"""From the query of an address to what is asked; bad ones first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dicomweb.search.asking import ALWAYS, Asked, Unclear, read
from proxy.retrieval.query.attributes import IMAGE, PATIENT, SERIES, STUDY, TABLE
from proxy.retrieval.query.matching import Days, Exactly, Names, Numbers
from proxy.retrieval.query.within import Within
from tests.cast import ADA

NONSENSE = [
    "limit=",
    "limit=-1",
    "limit=1.5",
    "limit=٣",
    "limit=99999999999",
    "limit=1&limit=2",
    "offset=x",
    "fuzzymatching=maybe",
    "emptyvaluematching=true",
    "multiplevaluematching=true",
    "fuzzymatching=true&fuzzymatching=true",
    "NoSuchKeyword=1",
    "0010=1",
    "00100099=1",
    "0010002=1",
    "00091001=1",
    "=1",
    "&&&",
    "StudyDate",
    "PatientID=%ff",
    "StudyDate=yesterday",
    "StudyDate=20240116-20240115",
    "StudyTime=25",
    "Modality=CT",
    "SOPInstanceUID=1.2",
    "NumberOfStudyRelatedInstances=1",
    "PatientWeight=70",
    "InstanceAvailability=ONLINE",
    "QueryRetrieveLevel=SERIES",
    "SpecificCharacterSet=ISO_IR+100",
    "StudyDate=20240101&StudyDate=20240102",
    "PatientID.PatientName=1",
    "ProcedureCodeSequence=1",
    "ProcedureCodeSequence.PatientID=1",
    "ProcedureCodeSequence.NoSuch=1",
    "ProcedureCodeSequence." + "CodeValue." * 20 + "CodeValue=1",
    "includefield=NoSuchKeyword",
    "includefield=",
    "PatientName=" + "x" * 2_000,
    "&".join(f"StudyInstanceUID=1.{one}" for one in range(300)),
]


@pytest.mark.parametrize("query", NONSENSE, ids=lambda one: one[:40])
def test_what_is_not_understood_is_refused_and_not_quoted(query: str) -> None:
    with pytest.raises(Unclear) as refused:
        read(STUDY, {}, query)
    said = str(refused.value)
    assert said.endswith(".")
    assert "yesterday" not in said
    assert "NoSuch" not in said
    assert "xxx" not in said


def test_a_value_that_is_wrong_is_not_said() -> None:
    with pytest.raises(Unclear) as refused:
        read(STUDY, {}, f"StudyDate={ADA.id}")
    assert ADA.id not in str(refused.value)


@given(st.text(max_size=80))
def test_any_text_at_all_is_read_or_refused(query: str) -> None:
    for level in (STUDY, SERIES, IMAGE):
        try:
            assert isinstance(read(level, {}, query), Asked)
        except Unclear as refused:
            assert str(refused)


@given(st.sampled_from(TABLE), st.text(max_size=30))
def test_any_value_of_any_attribute_is_read_or_refused(attribute: object, value: str) -> None:
    from urllib.parse import quote

    keyword = attribute.keyword  # type: ignore[attr-defined]
    try:
        read(IMAGE, {}, f"{keyword}={quote(value, errors='replace')}")
    except Unclear as refused:
        assert keyword in str(refused) or "keys" in str(refused)


def test_attributes_are_named_by_keyword_or_tag() -> None:
    for query in ("PatientName=ex*", "00100010=ex*"):
        assert read(STUDY, {}, query).checked.matchers == {"PatientName": Names(("ex*",))}


def test_values_mean_what_they_mean_in_c_find() -> None:
    said = read(
        STUDY, {}, "StudyDate=20240101-20240131&PatientID=AE-1&ModalitiesInStudy=CT,MR&StudyTime="
    ).checked
    assert isinstance(said.matchers["StudyDate"], Days)
    assert said.matchers["PatientID"] == Exactly(frozenset({"AE-1"}))
    assert "StudyTime" not in said.matchers
    assert said.matchers["ModalitiesInStudy"].matches("PT\\MR")
    assert not said.matchers["ModalitiesInStudy"].matches("PT")
    image = read(IMAGE, {}, "Rows=512&InstanceNumber=7").checked
    assert image.matchers == {"Rows": Numbers(frozenset({512})), "InstanceNumber": Numbers(frozenset({7}))}


@pytest.mark.parametrize(
    "query",
    [
        "StudyInstanceUID=1.2,3.4",
        "StudyInstanceUID=1.2%5C3.4",
        "StudyInstanceUID=1.2&StudyInstanceUID=3.4",
        "0020000D=1.2%2C3.4",
    ],
)
def test_a_list_of_uids_has_commas(query: str) -> None:
    assert read(STUDY, {}, query).checked.matchers == {"StudyInstanceUID": Exactly(frozenset({"1.2", "3.4"}))}


def test_a_comma_is_part_of_a_name() -> None:
    assert read(STUDY, {}, "PatientName=Doe,+John").checked.matchers == {"PatientName": Names(("Doe, John",))}


def test_a_name_may_have_any_letters() -> None:
    asked = read(STUDY, {}, "PatientName=Sch%C3%A4del*&StudyDescription=%E8%86%9D")
    assert asked.checked.matchers["PatientName"] == Names(("Schädel*",))
    assert asked.checked.matchers["StudyDescription"] == Exactly(frozenset({"膝"}))


def test_items_are_asked_with_dots() -> None:
    asked = read(
        SERIES, {}, "RequestAttributesSequence.RequestedProcedureID=RP-1&00400275.00400009=SPS-1"
    ).checked
    within = asked.matchers["RequestAttributesSequence"]
    assert isinstance(within, Within)
    both = '[{"RequestedProcedureID":"RP-1","ScheduledProcedureStepID":"SPS-1"}]'
    assert within.matches(both)
    assert not within.matches(both.replace("RP-1", "RP-2"))
    deep = read(SERIES, {}, "RequestAttributesSequence.RequestedProcedureCodeSequence.CodeValue=CT1").checked
    codes = '[{"RequestedProcedureCodeSequence":[{"CodeValue":"CT1"}]}]'
    assert deep.matchers["RequestAttributesSequence"].matches(codes)
    assert not deep.matchers["RequestAttributesSequence"].matches(codes.replace("CT1", "CT2"))


def wanted(asked: Asked) -> set[str]:
    return {one.keyword for one in asked.checked.wanted}


def test_answers_say_what_the_standard_wants_of_each_level() -> None:
    always = {level: set(some) for level, some in ALWAYS.items()}
    zone = {"TimezoneOffsetFromUTC"}
    study = {"StudyInstanceUID": "1.2"}
    assert wanted(read(STUDY, {}, "")) == always[PATIENT] | always[STUDY] | zone
    assert wanted(read(SERIES, {}, "")) == always[PATIENT] | always[STUDY] | always[SERIES] | zone
    assert wanted(read(SERIES, study, "")) == {*study, *always[SERIES]} | zone
    assert wanted(read(IMAGE, study, "")) == {*study, *always[SERIES], *always[IMAGE]} | zone
    both = study | {"SeriesInstanceUID": "1.2.3"}
    assert wanted(read(IMAGE, both, "")) == {*both, *always[IMAGE]}


def test_more_is_answered_where_it_is_asked_for() -> None:
    for query in ("includefield=StudyDescription,00101010", "includefield=00081030&includefield=PatientAge"):
        assert {"StudyDescription", "PatientAge"} <= wanted(read(STUDY, {}, query))
    every = wanted(read(STUDY, {}, "includefield=all"))
    assert every == {one.keyword for one in TABLE if one.level in (PATIENT, STUDY)}
    assert "SeriesDescription" not in wanted(read(STUDY, {}, "includefield=SeriesDescription,00091001"))


def test_the_path_says_which_study_and_nothing_else_may() -> None:
    asked = read(SERIES, {"StudyInstanceUID": "1.2"}, "Modality=CT")
    assert asked.checked.matchers["StudyInstanceUID"] == Exactly(frozenset({"1.2"}))
    with pytest.raises(Unclear):
        read(SERIES, {"StudyInstanceUID": "1.2"}, "StudyInstanceUID=1.3")


def test_pages_and_fuzzy_matching() -> None:
    asked = read(STUDY, {}, "limit=10&offset=20&fuzzymatching=true")
    assert (asked.limit, asked.offset, asked.is_fuzzy) == (10, 20, True)
    asked = read(STUDY, {}, "fuzzymatching=false&emptyvaluematching=false&accept=application/dicom%2Bjson")
    assert (asked.limit, asked.offset, asked.is_fuzzy) == (None, 0, False)

"""Every level, both models, each way of matching, over a real association, against the oracle."""

from typing import Any

import pytest
from django.conf import LazySettings
from pydicom.dataset import Dataset

from proxy.audit.models import Entry
from proxy.network.finding import Query
from proxy.network.identifier import Key
from proxy.retrieval.query.answering import Queries
from proxy.routing.match import load_table
from proxy.routing.models import Node
from proxy.studies.models import Study
from tests.retrieval.query import filled, oracle, wire
from tests.retrieval.query.filled import Image
from tests.retrieval.query.wire import ask

ADA, BEN = filled.PERSONS[0][0], filled.PERSONS[1][0]
Keys = dict[str, Any]

OF_PATIENT: list[Keys] = [
    {},
    {"PatientID": ADA},
    {"PatientID": ADA.lower()},
    {"PatientID": "*BEN*"},
    {"PatientName": "anon-ada*"},
    {"PatientName": f"{ADA}^^"},
    {"PatientName": "*ADA*"},
    {"PatientName": "DOE*"},
    {"PatientName": "?NON-ben*"},
    {"PatientBirthDate": "19510317"},
    {"PatientBirthDate": "19500101-19600101"},
    {"PatientSex": "F"},
    {"IssuerOfPatientID": "HOSP"},
    {"IssuerOfPatientID": "hosp"},
    {"IssuerOfPatientID": "H*", "PatientID": "*BEN*"},
]
OF_STUDY: list[Keys] = [
    *OF_PATIENT,
    {"StudyInstanceUID": "1.2.1.0"},
    {"StudyInstanceUID": ["1.2.1.0", "1.2.1.3", "1.2.2.0"]},
    {"StudyDate": "20240115"},
    {"StudyDate": "20240115-20240201"},
    {"StudyDate": "-20240114"},
    {"StudyDate": "20240116-"},
    {"StudyTime": "1030"},
    {"StudyTime": "103000"},
    {"StudyTime": "09-10"},
    {"StudyTime": "2359-"},
    {"StudyTime": "-0800"},
    {"AccessionNumber": "ACC-1"},
    {"AccessionNumber": "acc-1"},
    {"AccessionNumber": "ACC-*"},
    {"AccessionNumber": "ACC-?"},
    {"AccessionNumber": "*ACC-1?"},
    {"AccessionNumber": "ACC-%"},
    {"AccessionNumber": "*"},
    {"StudyID": "S[12]"},
    {"StudyDescription": "Thorax*"},
    {"StudyDescription": "*ädel"},
    {"StudyDescription": "Thorax à jeun"},
    {"StudyDescription": "?"},
    {"ModalitiesInStudy": "PT"},
    {"ModalitiesInStudy": "S*"},
    {"ModalitiesInStudy": ["PT", "MR"]},
    {"SOPClassesInStudy": filled.PT},
    {"PatientSex": "F", "StudyDate": "20240101-", "ModalitiesInStudy": "CT"},
    {"ReferringPhysicianName": "octavia*"},
    {"PatientAge": "072Y"},
    {"PatientAge": "0*"},
    {"ProcedureCodeSequence": {}},
    {"ProcedureCodeSequence": {"CodeValue": "", "CodeMeaning": ""}},
    {"ProcedureCodeSequence": {"CodeValue": "CT1"}},
    {"ProcedureCodeSequence": {"CodeValue": ["CT1", "CT2"]}},
    {"ProcedureCodeSequence": {"CodeValue": "CT1", "CodeMeaning": "*Schädels"}},
    {"ProcedureCodeSequence": {"CodeMeaning": "*Schädels"}},
    {"ProcedureCodeSequence": {"CodeValue": "CT*", "CodingSchemeDesignator": "99POS"}},
]
STUDY: Keys = {"PatientID": filled.PERSONS[2][0], "StudyInstanceUID": "1.2.1.2"}
ALONE: list[Keys] = [
    {},
    {"SeriesInstanceUID": "1.2.1.2.1"},
    {"SeriesInstanceUID": ["1.2.1.2.1", "1.2.1.2.2", "1.2.1.5.0"]},
    {"Modality": "CT"},
    {"Modality": "?T"},
    {"SeriesNumber": "2"},
    {"SeriesNumber": "002"},
    {"SeriesDate": "20240201"},
    {"SeriesTime": "2359-235959.6"},
    {"SeriesDescription": "PT*"},
    {"BodyPartExamined": "CHEST"},
    {"Laterality": "L"},
    {"ProtocolName": "Sch?del"},
    {"PerformedProcedureStepStartDate": "20240101-"},
    {"PerformedProcedureStepStartTime": "-10"},
    {"PerformedProcedureStepID": ["PPS-1", "PPS-2"]},
    {"InstitutionName": "Hollyhock*"},
    {"Manufacturer": "Example*", "ManufacturerModelName": "Ex 1"},
    {"StationName": "CT_EAST"},
    {"AnatomicRegionSequence": {"CodeMeaning": "Chest"}},
    {"RequestAttributesSequence": {}},
    {"RequestAttributesSequence": {"ScheduledProcedureStepID": "SPS-1"}},
    {"RequestAttributesSequence": {"ScheduledProcedureStepID": "SPS-1", "RequestedProcedureID": "RP-1"}},
    {"RequestAttributesSequence": {"ScheduledProcedureStepID": "SPS-2", "RequestedProcedureID": ""}},
    {"RequestAttributesSequence": {"RequestedProcedureCodeSequence": {"CodeValue": "CT2"}}},
    {"RequestAttributesSequence": {"RequestedProcedureCodeSequence": {"CodeMeaning": "*"}}},
    {"RequestAttributesSequence": {"RequestedProcedureDescription": "*ädel", "AccessionNumber": ""}},
]
OF_SERIES = [STUDY | keys for keys in ALONE]
OF_IMAGE: list[Keys] = [
    STUDY | {"SeriesInstanceUID": "1.2.1.2.1"} | keys
    for keys in (
        {},
        {"SOPInstanceUID": "1.2.1.2.1.2"},
        {"InstanceNumber": "1"},
        {"InstanceNumber": "01"},
        {"SOPClassUID": filled.PT},
        {"SOPClassUID": filled.CT},
        {"Rows": 512},
        {"Columns": 512, "BitsAllocated": 8},
        {"BitsAllocated": [8, 16]},
        {"NumberOfFrames": "012"},
    )
]
MATRIX = [
    ("patient", "PATIENT", OF_PATIENT),
    ("patient", "STUDY", [{"PatientID": ADA} | keys for keys in OF_STUDY if "PatientID" not in keys]),
    ("patient", "SERIES", OF_SERIES),
    ("patient", "IMAGE", OF_IMAGE),
    ("study", "STUDY", OF_STUDY),
    ("study", "SERIES", OF_SERIES),
    ("study", "IMAGE", OF_IMAGE),
]


def joined(keys: Keys) -> Keys:
    return {key: _joined(one) for key, one in keys.items()}


def _joined(value: Any) -> Any:
    if isinstance(value, dict):
        return joined(value)
    return "\\".join(map(str, value)) if isinstance(value, list) else str(value)


def visible(stock: list[Image]) -> list[Image]:
    return [image for image in stock if image["project"] == "default"]


@pytest.mark.parametrize(("root", "level", "queries"), MATRIX, ids=[f"{one[0]}-{one[1]}" for one in MATRIX])
def test_each_level_of_each_model_matches_as_the_oracle_says(
    port: int, stock: list[Image], root: str, level: str, queries: list[Keys]
) -> None:
    unique = oracle.UNIQUE[level]
    with wire.association(port, "WARD") as made:
        for keys in queries:
            wanted = wire.identifier(level, {"SpecificCharacterSet": "ISO_IR 192", unique: "", **keys})
            heard = wire.heard(made, wanted, root)
            found = [str(value) for value in heard.values(unique)]
            assert (heard.status, set(heard.pending) - {0xFF00}) == (0, set()), keys
            assert len(found) == len(set(found)), keys
            assert set(found) == oracle.expected(visible(stock), level, joined(keys)), keys


def test_what_is_asked_for_is_answered(port: int) -> None:
    asked: Keys = {
        "StudyDate": "",
        "StudyDescription": "",
        "ModalitiesInStudy": "",
        "SOPClassesInStudy": "",
        "NumberOfStudyRelatedSeries": "",
        "NumberOfStudyRelatedInstances": "",
        "NumberOfPatientRelatedStudies": "",
        "NumberOfPatientRelatedSeries": "",
        "NumberOfPatientRelatedInstances": "",
        "InstanceAvailability": "",
        "TimezoneOffsetFromUTC": "",
        "PatientName": "",
    }
    heard = ask(port, "STUDY", StudyInstanceUID="1.2.1.2", **asked)
    assert heard.pending == [0xFF00]
    assert heard.answers[0] == wire.identifier(
        "STUDY",
        {
            "SpecificCharacterSet": "ISO_IR 192",
            "StudyInstanceUID": "1.2.1.2",
            "StudyDate": "20240201",
            "StudyDescription": "Schädel",
            "ModalitiesInStudy": ["CT", "PT", "SEG"],
            "SOPClassesInStudy": [filled.PT, filled.CT, filled.SEG],
            "NumberOfStudyRelatedSeries": "3",
            "NumberOfStudyRelatedInstances": "6",
            "NumberOfPatientRelatedStudies": "2",
            "NumberOfPatientRelatedSeries": "6",
            "NumberOfPatientRelatedInstances": "15",
            "InstanceAvailability": "ONLINE",
            "TimezoneOffsetFromUTC": "+0100",
            "PatientName": filled.PERSONS[2][0],
            "RetrieveAETitle": wire.CALLED,
        },
    )


def test_ascii_needs_no_character_set_and_what_is_not_asked_for_is_not_said(port: int) -> None:
    heard = ask(port, "STUDY", StudyInstanceUID="1.2.1.3")
    assert [one.keyword for one in heard.answers[0]] == [
        "QueryRetrieveLevel",
        "RetrieveAETitle",
        "StudyInstanceUID",
    ]


@pytest.mark.parametrize(
    ("charset", "text"),
    [("ISO_IR 100", "Schädel"), ("ISO_IR 192", "膝"), ("\\ISO 2022 IR 87", "膝"), ("GB18030", "膝")],
)
def test_keys_are_matched_as_text_whatever_their_character_set(port: int, charset: str, text: str) -> None:
    heard = ask(port, "STUDY", SpecificCharacterSet=charset.split("\\"), StudyDescription=text)
    assert heard.values("StudyDescription") == [text]


@pytest.mark.parametrize(
    ("uid", "said"), [("1.2.1.0", None), ("1.2.1.1", "-0330"), ("1.2.1.2", "+0100"), ("1.2.1.3", None)]
)
def test_whoever_is_told_times_is_told_their_time_zone_if_it_is_known(
    port: int, uid: str, said: str | None
) -> None:
    answers = [
        ask(port, "STUDY", StudyInstanceUID=uid, TimezoneOffsetFromUTC="").answers,
        ask(port, "STUDY", StudyInstanceUID=uid, StudyTime="").answers,
        ask(port, "SERIES", StudyInstanceUID=uid, SeriesTime="").answers,
    ]
    assert {one.get("TimezoneOffsetFromUTC") for some in answers for one in some} == {said}
    assert all(("TimezoneOffsetFromUTC" in one) == bool(said) for some in answers for one in some)
    [answer] = ask(port, "STUDY", StudyInstanceUID=uid, StudyDate="").answers
    assert "TimezoneOffsetFromUTC" not in answer


class TestHierarchy:
    @pytest.mark.parametrize(
        ("root", "level", "keys"),
        [
            ("study", "SERIES", {}),
            ("study", "SERIES", {"StudyInstanceUID": ["1.2.1.0", "1.2.1.1"]}),
            ("study", "IMAGE", {"StudyInstanceUID": "1.2.1.0"}),
            ("patient", "STUDY", {"StudyInstanceUID": "1.2.1.0"}),
            ("patient", "STUDY", {"PatientID": "ANON*"}),
            ("study", "PATIENT", {"PatientID": ADA}),
            ("study", "", {}),
            ("study", "study", {}),
        ],
    )
    def test_what_is_above_must_be_one(self, port: int, root: str, level: str, keys: Keys) -> None:
        assert ask(port, level, root=root, **keys).status == 0xA900

    def test_relational_queries_do_without_once_they_were_agreed_on(
        self, port: int, stock: list[Image]
    ) -> None:
        heard = ask(port, "SERIES", extended=b"\x01", Modality="PT", SeriesInstanceUID="")
        assert heard.status == 0
        assert set(heard.values("SeriesInstanceUID")) == oracle.expected(
            visible(stock), "SERIES", {"Modality": "PT"}
        )

    def test_date_and_time_are_one_only_once_that_was_agreed_on(self, port: int) -> None:
        keys: Keys = {"StudyDate": "20240115-20240201", "StudyTime": "1000-2359", "StudyInstanceUID": ""}
        assert set(ask(port, "STUDY", **keys).values("StudyInstanceUID")) == {"1.2.1.1", "1.2.1.2"}
        joint = ask(port, "STUDY", extended=b"\x00\x01", **keys | {"StudyTime": "1000-0800"})
        assert joint.status == 0xA900  # each range for itself must be one
        joint = ask(port, "STUDY", extended=b"\x00\x01", **keys | {"StudyTime": "1000-1100"})
        assert set(joint.values("StudyInstanceUID")) == {"1.2.1.1"}

    @pytest.mark.parametrize(
        ("asked", "said"), [(b"\x01", b"\x01"), (b"\x01\x01\x01\x01", b"\x01\x01\x00\x00")]
    )
    def test_only_what_we_do_is_agreed_on(self, port: int, asked: bytes, said: bytes) -> None:
        with wire.association(port, "WARD", extended=asked) as made:
            agreed = made.acceptor.sop_class_extended
        assert agreed == {wire.ROOTS["study"]: said}


class TestWhatIsNotSupported:
    @pytest.mark.parametrize(
        "keys",
        [
            {"OperatorsName": "D*"},
            {"PatientWeight": "71.5"},
            {"TimezoneOffsetFromUTC": "+0100"},
            {"InstitutionName": ""},
            {"Modality": "CT"},
            {"Rows": 512},
            {"NumberOfStudyRelatedInstances": "3"},
            {"InstanceAvailability": "OFFLINE"},
        ],
        ids=repr,
    )
    def test_the_answers_say_that_something_was_left_out(
        self, port: int, stock: list[Image], keys: Keys
    ) -> None:
        heard = ask(port, "STUDY", StudyInstanceUID="", **keys)
        assert set(heard.pending) == {0xFF01}
        assert set(heard.values("StudyInstanceUID")) == oracle.expected(visible(stock), "STUDY", {})
        unknown = set(keys) & {"OperatorsName", "InstitutionName", "Modality", "Rows"}
        assert not any(keyword in answer for answer in heard.answers for keyword in unknown)

    def test_of_other_sequences_nothing_is_kept(self, port: int) -> None:
        wanted = wire.identifier("STUDY", {"StudyInstanceUID": "1.2.1.0"})
        item = Dataset()
        item.ReferencedSOPInstanceUID = "1.2"
        wanted.ReferencedStudySequence = [item]
        with wire.association(port, "WARD") as made:
            heard = wire.heard(made, wanted)
        assert heard.pending == [0xFF01]
        assert "ReferencedStudySequence" not in heard.answers[0]


class TestWhatIsInView:
    def test_all_projects_where_the_node_names_none(self, port: int, stock: list[Image]) -> None:
        filled.node("ALL", projects=())
        found = ask(port, "STUDY", calling="ALL", StudyInstanceUID="").values("StudyInstanceUID")
        assert set(found) == {image["StudyInstanceUID"] for image in stock}

    @pytest.mark.parametrize(
        ("change", "rejected"),
        [({"state": "expired"}, True), ({"state": "review"}, True), ({"state": "rejected"}, True),
         ({"held": "yes"}, True), ({"state": "receiving", "review": "yes"}, True), ({"state": "receiving"}, False)],
    )  # fmt: skip
    def test_promise_1_what_may_not_leave_the_house_does_not_show(
        self, port: int, change: dict[str, str], rejected: bool
    ) -> None:
        image = filled.images()[0] | {"PatientID": "ANON-NEW", "StudyInstanceUID": "1.9", **change}
        filled.fill([image | {"SeriesInstanceUID": "1.9.1", "SOPInstanceUID": "1.9.1.1", "project": "late"}])
        filled.node("LATE", projects=["late"])
        with wire.association(port, "LATE") as made:
            for root, level, keys in (
                ("patient", "PATIENT", {"PatientID": ""}),
                ("study", "STUDY", {"StudyInstanceUID": "1.9"}),
                ("study", "SERIES", {"StudyInstanceUID": "1.9"}),
                ("study", "IMAGE", {"StudyInstanceUID": "1.9", "SeriesInstanceUID": "1.9.1"}),
            ):
                heard = wire.heard(made, wire.identifier(level, keys), root)
                assert (heard.status, len(heard.answers)) == (0, 0 if rejected else 1)

    def test_what_went_is_not_counted(self, port: int) -> None:
        late = filled.images()[0] | {"state": "expired", "SOPInstanceUID": "1.9", "Modality": "MR"}
        filled.fill([late | {"SeriesInstanceUID": "1.8"}])
        counted: Keys = {
            "NumberOfStudyRelatedInstances": "",
            "NumberOfStudyRelatedSeries": "",
            "ModalitiesInStudy": "",
        }
        answer = ask(port, "STUDY", StudyInstanceUID="1.2.1.0", **counted).answers[0]
        assert answer.NumberOfStudyRelatedInstances == 2
        assert answer.NumberOfStudyRelatedSeries == 1
        assert answer.ModalitiesInStudy == "CT"

    def test_promise_1_whoever_may_not_ask_is_not_offered_it(self, port: int) -> None:
        filled.node("SENDER", may=["store", "retrieve"])
        filled.node("LAPSED", view="identified", grant={"purpose": "treatment", "until": "2020-01-01"})
        for calling in ("SENDER", "LAPSED", "STRANGER"):
            with pytest.raises(AssertionError), wire.association(port, calling):
                pass  # nothing but queries was asked for
        marks = Entry.objects.filter(action="query.refused").values_list("actor", flat=True)
        assert set(marks) == {"node SENDER", "node LAPSED"}

    def test_a_view_that_ends_during_an_association_ends_there(self, port: int) -> None:
        with wire.association(port, "WARD") as made:
            Node.objects.filter(name="WARD").update(may=[])
            wanted = wire.identifier("STUDY", {"StudyInstanceUID": ""})
            wire.wait_a_second()
            assert wire.heard(made, wanted).status == 0x0124


class TestHowMuch:
    def test_so_many_are_answered_and_no_more(self, port: int, settings: LazySettings) -> None:
        settings.DICOM_FIND_MAX = 4
        heard = ask(port, "STUDY", StudyInstanceUID="")
        assert (heard.status, len(heard.answers)) == (0xA700, 4)
        assert "4 match" in heard.comment
        settings.DICOM_FIND_MAX = 6
        assert ask(port, "STUDY", StudyInstanceUID="").status == 0

    @pytest.mark.parametrize("most", [1, 20, 21, 250, 251])
    def test_pages_neither_lose_nor_repeat(self, port: int, settings: LazySettings, most: int) -> None:
        settings.DICOM_FIND_MAX = most
        study = Study.objects.first()
        assert study is not None
        _many(study, 251 - 6)
        heard = ask(port, "STUDY", StudyInstanceUID="")
        found = heard.values("StudyInstanceUID")
        assert len(found) == len(set(found)) == min(most, 251)
        assert heard.status == (0 if most == 251 else 0xA700)

    def test_a_cancelled_query_ends(self, port: int) -> None:
        study = Study.objects.first()
        assert study is not None
        _many(study, 3000)
        with wire.association(port, "WARD") as made:
            said: list[int] = []
            for status, _ in made.send_c_find(wire.identifier("STUDY", {}), wire.ROOTS["study"]):
                if not said:
                    made.send_c_cancel(1, query_model=wire.ROOTS["study"])
                said.append(status.Status)
            assert said[-1] == 0xFE00
            assert len(said) < 3000
            heard = wire.heard(made, wire.identifier("STUDY", {"StudyInstanceUID": "1.2.1.0"}))
            assert (heard.status, len(heard.answers)) == (0, 1)

    def test_whoever_looks_for_long_is_looked_after(self, stock: list[Image]) -> None:
        study = Study.objects.first()
        assert study is not None
        _many(study, 1000)
        node = load_table().node_for("WARD", "127.0.0.1")
        keys = {key.tag: key for key in (Key(0x00080052, "CS", b"STUDY"), Key(0x00081030, "LO", b"?hor?x?"))}
        found = list(Queries().answers(node, "X", Query(wire.ROOTS["study"], keys)))
        assert len(found) > 1000 // 200
        assert set(found) == {None}


def _many(study: Study, count: int) -> None:
    fresh = [_copy(study, number) for number in range(count)]
    revision = study.revisions.get()
    for one in Study.objects.bulk_create(fresh):
        revision.pk, revision.study = None, one
        revision.save(force_insert=True)


def _copy(study: Study, number: int) -> Study:
    values = {one.attname: getattr(study, one.attname) for one in Study._meta.concrete_fields}
    return Study(**values | {"id": None, "uid": f"1.7.{number}"})

"""From keys to what they mean, or to a refusal that says which key, and never its value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword

from proxy.network.finding import PATIENT_ROOT_FIND, STUDY_ROOT_FIND, Extended, Query, Refused, agreed
from proxy.network.identifier import Key
from proxy.retrieval.query.attributes import BY_TAG, LEVEL, LEVELS, TABLE
from proxy.retrieval.query.keys import LONGEST_VALUE, MOST_UIDS, MOST_VALUES
from proxy.retrieval.query.matching import AnyOf, Between, Exactly, Like, Moments, Numbers
from proxy.retrieval.query.reading import Checked, check

PLAIN, COMBINED = Extended(), Extended(combined=True)


def query(
    level: str = "STUDY", extended: Extended = PLAIN, root: str = STUDY_ROOT_FIND, **said: Any
) -> Query:
    keys = {LEVEL: Key(LEVEL, "CS", level.encode())}
    for keyword, value in said.items():
        tag = int(tag_for_keyword(keyword) or 0)
        keys[tag] = Key(tag, dictionary_VR(tag), value.encode() if isinstance(value, str) else value)
    return Query(root, keys, extended)


def checked(**said: Any) -> Checked:
    made = check(query(**said))
    assert isinstance(made, Checked)
    return made


def refused(**said: Any) -> str:
    made = check(query(**said))
    assert isinstance(made, Refused)
    assert (made.status, len(made.comment) <= 64) == (0xA900, True)
    return made.comment


def test_keys_become_ways_of_matching() -> None:
    made = checked(
        PatientSex="F ", AccessionNumber="AC*", StudyDescription="", StudyID="*", ModalitiesInStudy="CT\\MR "
    )
    assert made.matchers["PatientSex"] == Exactly(frozenset({"F"}))
    assert made.matchers["AccessionNumber"] == Like(("AC*",))
    assert made.matchers["ModalitiesInStudy"] == AnyOf(Exactly(frozenset({"CT", "MR"})))
    assert {"StudyDescription", "StudyID"}.isdisjoint(made.matchers)
    assert {"StudyDescription", "StudyID", "StudyInstanceUID"} <= {one.keyword for one in made.wanted}
    assert not made.less


def test_numbers_are_numbers() -> None:
    made = checked(level="IMAGE", StudyInstanceUID="1.2", SeriesInstanceUID="1.3", InstanceNumber=" 007 ")
    assert made.matchers["InstanceNumber"] == Numbers(frozenset({7}))


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"StudyDate": "2024-01-15"}, "StudyDate"),
        ({"StudyDate": "20240231x"}, "StudyDate"),
        ({"StudyDate": "-"}, "StudyDate"),
        ({"StudyDate": "20240115-20240114"}, "StudyDate"),
        ({"StudyDate": "2024011*"}, "StudyDate"),
        ({"StudyTime": "25"}, "StudyTime"),
        ({"StudyTime": "10-09"}, "StudyTime"),
        ({"StudyTime": b"\xff\xfe"}, "StudyTime"),
        ({"AccessionNumber": "A" * (LONGEST_VALUE + 1)}, "AccessionNumber"),
        ({"AccessionNumber": "A" * 1_000_000}, "AccessionNumber"),
        ({"AccessionNumber": "\\".join(map(str, range(MOST_VALUES + 1)))}, "AccessionNumber"),
        ({"StudyInstanceUID": "\\".join(map(str, range(MOST_UIDS + 1)))}, "StudyInstanceUID"),
        ({"level": "SERIES"}, "StudyInstanceUID"),
        ({"level": "IMAGE", "StudyInstanceUID": "1.2"}, "SeriesInstanceUID"),
        ({"root": PATIENT_ROOT_FIND}, "PatientID"),
        ({"root": PATIENT_ROOT_FIND, "PatientID": "A?"}, "PatientID"),
        ({"level": "IMAGE", "root": PATIENT_ROOT_FIND, "StudyInstanceUID": "1", "SeriesInstanceUID": "1"}, "PatientID"),
    ],
    ids=lambda one: repr(one)[:60],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_and_the_key_is_named(said: dict[str, Any], key: str) -> None:
    assert refused(**said).startswith(key)


@pytest.mark.parametrize("level", ["", "study", "PATIENT", "STUDY\\SERIES", "FRAME"])
def test_a_level_is_one_of_the_model(level: str) -> None:
    assert "Level" in refused(level=level)


def test_a_sequence_in_the_place_of_a_value_is_refused() -> None:
    keys = dict(query().keys)
    keys[0x00080020] = Key(0x00080020, "SQ", b"", is_sequence=True)
    assert isinstance(check(Query(STUDY_ROOT_FIND, keys)), Refused)


class TestDateAndTimeAsOne:
    def test_the_range_goes_from_the_first_moment_to_the_last(self) -> None:
        made = checked(extended=COMBINED, StudyDate="20240115-20240117", StudyTime="10-1130")
        moments = Moments(Between("20240115100000000000", "20240117113059999999"))
        assert made.joint == (("StudyDate", "StudyTime", moments),)
        assert not made.matchers
        assert moments.covers("20240116", "0300")
        assert moments.covers("20240117", "113059.999")
        assert not moments.covers("20240115", "0959")
        assert not moments.covers("20240116", "")

    @pytest.mark.parametrize(
        ("date", "time", "first", "last"),
        [
            ("20240115-", "10-", "20240115100000000000", ""),
            ("-20240115", "-10", "", "20240115105959999999"),
            ("20240115", "10-", "20240115100000000000", "20240115235959999999"),
        ],
    )
    def test_open_ends(self, date: str, time: str, first: str, last: str) -> None:
        made = checked(extended=COMBINED, StudyDate=date, StudyTime=time)
        assert made.joint[0][2] == Moments(Between(first, last))

    def test_without_agreement_and_without_a_range_they_are_two(self) -> None:
        assert not checked(StudyDate="20240115-", StudyTime="10-").joint
        assert not checked(extended=COMBINED, StudyDate="20240115-", StudyTime="10").joint
        assert not checked(extended=COMBINED, StudyTime="10-").joint


TAGS = st.sampled_from([*BY_TAG, 0x00080005, 0x00080201, 0x00081140, 0x00091001])
VALUES = st.binary(max_size=40) | st.sampled_from([b"*", b"20240101-", b"1.2.3\\1.2", b"\x1b$B", b"CT\\MR"])


@given(st.sampled_from(LEVELS), st.dictionaries(TAGS, VALUES, max_size=8), st.booleans())
def test_whatever_is_asked_is_understood_or_refused(
    level: str, said: dict[int, bytes], relational: bool
) -> None:
    keys = {tag: Key(tag, "UN", value) for tag, value in said.items()}
    keys[LEVEL] = Key(LEVEL, "CS", level.encode())
    made = check(Query(PATIENT_ROOT_FIND, keys, Extended(relational=relational)))
    if isinstance(made, Checked):
        assert set(made.matchers) <= {one.keyword for one in made.wanted}
        for matcher in made.matchers.values():
            matcher.matches("")
    else:
        assert made.status == 0xA900


@given(st.binary(max_size=40))
def test_the_answer_to_a_proposal_is_as_long_and_promises_nothing_more(wanted: bytes) -> None:
    extended, said = agreed(wanted)
    assert len(said) == min(len(wanted), 16)
    assert not any(said[2:])
    assert (extended.relational, extended.combined) == (wanted[:1] == b"\x01", wanted[1:2] == b"\x01")


def test_the_table_names_each_attribute_as_the_standard_does() -> None:
    for one in TABLE:
        assert (tag_for_keyword(one.keyword), dictionary_VR(one.tag)) == (one.tag, one.vr)

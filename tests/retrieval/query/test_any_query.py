"""Any combination of keys finds what the oracle says, in whatever way the database narrows it."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword

from proxy.network.finding import STUDY_ROOT_FIND, Extended, Match, Query
from proxy.network.identifier import Key
from proxy.retrieval.query.answering import Queries
from proxy.retrieval.query.attributes import UNIQUE_KEYS
from proxy.routing.match import NodeFacts, load_table
from tests.retrieval.query import filled, oracle
from tests.retrieval.query.filled import Image

IMAGES = [image for image in filled.images() if image["project"] == "default"]
OF_SERIES = [
    "Modality",
    "BodyPartExamined",
    "Laterality",
    "ProtocolName",
    "PerformedProcedureStepID",
    "Manufacturer",
    "StationName",
]
TEXTS = [
    "PatientID",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDescription",
    "IssuerOfPatientID",
    "ReferringPhysicianName",
    "PatientAge",
    *OF_SERIES,
]
RANGES = {
    "StudyDate": ["20240115", "20240201", "20231231", "20200101"],
    "StudyTime": ["08", "0930", "1030", "235959"],
}


def _known(keyword: str) -> list[str]:
    return sorted({image[keyword] for image in IMAGES if image[keyword]})


@st.composite
def _text(draw: st.DrawFn, keyword: str) -> str:
    """A value there is, or a pattern cut out of one."""
    value = draw(st.sampled_from(_known(keyword)))
    letters = [draw(st.sampled_from([one, one, one, "?", "*"])) for one in value]
    cut = draw(st.integers(0, len(letters)))
    return draw(
        st.sampled_from([value, value.lower(), "".join(letters), value[:cut] + "*", "*" + value[cut:]])
    )


@st.composite
def _range(draw: st.DrawFn, keyword: str) -> str:
    first, last = sorted((draw(st.sampled_from(RANGES[keyword])), draw(st.sampled_from(RANGES[keyword]))))
    return draw(st.sampled_from([first, f"{first}-", f"-{last}", f"{first}-{last}"]))


@st.composite
def _query(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    level = draw(st.sampled_from(["STUDY", "SERIES", "IMAGE"]))
    usable = [one for one in TEXTS if level != "STUDY" or one not in OF_SERIES]
    keys = {one: draw(_text(one)) for one in draw(st.sets(st.sampled_from(usable), max_size=3))}
    keys |= {one: draw(_range(one)) for one in draw(st.sets(st.sampled_from(sorted(RANGES)), max_size=2))}
    if draw(st.booleans()):
        keys["ModalitiesInStudy"] = draw(st.sampled_from(["CT", "PT\\SEG", "?T", "*G", "MR"]))
    if draw(st.booleans()):
        keys["StudyInstanceUID"] = "\\".join(
            draw(st.sets(st.sampled_from(_known("StudyInstanceUID")), min_size=1))
        )
    return level, keys


def found(node: NodeFacts, level: str, keys: dict[str, str]) -> list[str]:
    said = {"QueryRetrieveLevel": level, "SpecificCharacterSet": "ISO_IR 192", **keys}
    made = {}
    for keyword, value in said.items():
        tag = int(tag_for_keyword(keyword) or 0)
        made[tag] = Key(tag, dictionary_VR(tag), value.encode())
    answers: Any = Queries().answers(node, "X", Query(STUDY_ROOT_FIND, made, Extended(relational=True)))
    unique = UNIQUE_KEYS[level].tag
    matches = [one for one in answers if one is not None]
    assert all(isinstance(one, Match) and not one.less for one in matches), matches
    return [element.value for one in matches for element in one.elements if element.tag == unique]


@pytest.fixture
def node(stock: list[Image]) -> NodeFacts:
    facts = load_table().node_for("WARD", "127.0.0.1")
    assert facts is not None
    return facts


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(asked=_query())
def test_any_query_finds_what_the_oracle_says(node: NodeFacts, asked: tuple[str, dict[str, str]]) -> None:
    level, keys = asked
    answered = found(node, level, keys)
    assert len(answered) == len(set(answered))
    assert set(answered) == oracle.expected(IMAGES, level, keys)

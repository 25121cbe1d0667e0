"""docs/conformance.md says what the code does: its made parts are made of it, its written parts keep the outline."""

import re
from datetime import timedelta
from types import FunctionType
from typing import cast

import pytest

from proxy.deliveries.commitment import AGAIN, LISTEN, LONGEST, REFUSALS, Results
from proxy.network import asking, contexts
from proxy.network.conversing import CANCELLED_WITHIN
from proxy.reception.replies import FAILURES, UNEXPECTED
from proxy.retrieval import commitments
from proxy.retrieval.pulls.inventory import AT_ONCE
from tests.docs import marked, reading, statement

PAGE = reading.text("docs/conformance.md")
MADE = statement.made()
OUTLINE = [
    "Overview", "Introduction", "Networking", "Implementation model", "Application data flow", "Application entities",
    "Sequence of activities", "RECEIVER", "Association policies", "Acceptance", "Verification", "Storage",
    "Storage commitment", "Query and retrieve", "SENDER", "Association policies", "Initiation", "Storage",
    "PULLER", "Association policies", "Initiation", "Query", "Retrieval",
    "Network interfaces", "Configuration", "Media interchange", "Character sets", "Security", "Secure transport",
    "De-identification", "Annexes", "Contents of images", "Transfer syntaxes",
]  # fmt: skip
"""What PS3.2 wants said, in its order."""


@pytest.mark.parametrize("name", MADE)
def test_every_made_part_is_as_the_code_makes_it(name: str) -> None:
    assert marked.parts(PAGE)[name] == MADE[name], "run `make conformance`"


def test_no_part_is_missing_and_none_is_made_by_nobody() -> None:
    assert set(marked.parts(PAGE)) == set(MADE)
    assert PAGE.count("<!-- made by") == PAGE.count("<!-- end of") == len(MADE)


def test_writing_it_anew_changes_what_differs_and_nothing_else() -> None:
    wrong = PAGE.replace("| CT Image Storage |", "| Cat Image Storage |")
    assert wrong != PAGE
    assert marked.filled(wrong, MADE) == PAGE


def test_the_outline_is_kept() -> None:
    headings = iter(re.findall(r"^#{2,4} [\d.A-C]+ (.+)$", PAGE, re.MULTILINE))
    assert all(any(heading.startswith(wanted) for heading in headings) for wanted in OUTLINE)


def test_chapters_are_numbered_without_a_gap_and_references_lead_to_one() -> None:
    numbers = re.findall(r"^#{2,4} ([\d.A-C]+?)\.? ", PAGE, re.MULTILINE)
    assert len(numbers) == len(set(numbers))
    for number in numbers:
        above, _, last = number.rpartition(".")
        assert not above or above in numbers
        assert last in {"1", "A"} or number.removesuffix(last) + chr(ord(last) - 1) in numbers
    assert set(re.findall(r"\b(?:in|of|\() ?(\d(?:\.[\dA-C])+)", PAGE)) <= set(numbers)


def test_every_status_of_a_failure_is_in_the_table() -> None:
    answered = {(row[0], row[2]) for row in marked.rows(MADE["store-provider"])}
    known = {(f"0x{one.reply.status:04X}", one.reply.comment) for _, one in FAILURES}
    assert known | {(f"0x{UNEXPECTED.reply.status:04X}", UNEXPECTED.reply.comment)} <= answered
    assert {"0x0000", "0x0110", "0x0122", "0x0124", "0xA700", "0xA900", "0xA901", "0xC000", "0xC001"} == {
        status for status, _ in answered
    }


NO_STATUSES = {"MOST", "REQUEST_COMMITMENT", "ALL_COMMITTED", "FAILURES_EXIST"}


def statuses_named_in(*deciding: FunctionType) -> set[str]:
    """Those of `asking` that the functions answer with."""
    names = {name for one in deciding for name in one.__code__.co_names if name.isupper()}
    values = {vars(asking)[name] for name in (names & vars(asking).keys()) - NO_STATUSES}
    return {f"0x{value:04X}" for value in values if isinstance(value, int)}


def test_every_answer_to_a_request_for_commitment_is_in_its_table() -> None:
    refused = statuses_named_in(cast(FunctionType, asking.read_request))
    assert refused
    assert refused | {"0x0000", "0x0110", "0x0124"} == {
        row[0] for row in marked.rows(MADE["commitment-requests"])
    }


def test_every_answer_to_a_result_of_a_commitment_is_in_its_table() -> None:
    refused = statuses_named_in(cast(FunctionType, asking.read_report), cast(FunctionType, Results.heard))
    assert refused
    assert refused | {"0x0000", "0x0110", "0x0124"} == {
        row[0] for row in marked.rows(MADE["commitment-reports"])
    }


def test_how_long_a_destination_is_asked_is_as_the_page_says() -> None:
    said = " ".join(PAGE.split("#### 3.3.4")[1].split("### 3.4")[0].split())
    assert "for five seconds" in said and LISTEN == 5.0
    assert "asked again after ten minutes" in said and timedelta(minutes=10) == AGAIN
    assert "at most a day" in said and timedelta(days=1) == LONGEST
    assert "after three results in a row" in said and REFUSALS == 3


def test_how_a_pull_asks_is_as_the_page_says() -> None:
    said = " ".join(PAGE.split("#### 3.4.3")[1].split("### 3.5")[0].split())
    assert "goes on for five seconds" in said and CANCELLED_WITHIN == 5.0
    assert "at most 64 SOP Instance UIDs" in said and AT_ONCE == 64


def test_every_reason_not_to_commit_is_in_its_table() -> None:
    reasons = statuses_named_in(cast(FunctionType, commitments.judge)) - {"0x0000"}
    assert reasons
    assert reasons | {"0x0131"} == {row[0] for row in marked.rows(MADE["commitment-failures"])}


def test_every_class_and_transfer_syntax_has_a_name_and_stands_there_once() -> None:
    listed = [
        row for part in ("default-classes", "other-classes", "syntaxes") for row in marked.rows(MADE[part])
    ]
    assert {row[1] for row in listed} == {*contexts.ALL_CLASSES, *contexts.TRANSFER_SYNTAXES}
    assert len(listed) == len({row[1] for row in listed}) == len({row[0] for row in listed})
    assert not any(re.fullmatch(r"[\d.]+", row[0]) for row in listed)


def test_no_setting_of_the_listener_is_forgotten() -> None:
    told = {row[0] for row in marked.rows(MADE["settings"])}
    assert {
        "DICOM_AE_TITLE",
        "DICOM_MAX_PDU_SIZE",
        "DICOM_TLS_PORT",
        "HEADER_LIMIT",
        "COMMITMENT_TERM",
    } <= told
    assert set(re.findall(r"`((?:DICOM|COMMITMENT|DELIVERY)_[A-Z_]+)", PAGE)) <= set(reading.declared())


def test_a_bar_in_a_cell_does_not_end_it() -> None:
    part = marked.table(["a", "b"], [("one|two", "`three`")])
    assert marked.rows(part) == [["one\\|two", "three"]]

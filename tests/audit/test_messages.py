"""Every act becomes a DICOM audit message that is as the schema says, and holds nothing that a person typed."""

import base64
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from proxy.audit import actions
from proxy.audit.messages import KINDS, message
from proxy.audit.models import Entry
from tests.audit.schema import check
from tests.cast import NEEDLES

ACTS = [value for name, value in vars(actions).items() if name.isupper()]
AT = datetime(2026, 3, 1, 12, 0, 0, 123456, UTC)


def made(action: str = actions.IDENTITY_VIEWED, **said: Any) -> ElementTree.Element:
    facts = {
        "sequence": 7,
        "at": AT,
        "actor": "ada",
        "subject": "ANON-X",
        "purpose": "",
        "detail": {},
        "mac": "f" * 64,
    }
    return ElementTree.fromstring(message(Entry(action=action, **facts | said), "DICOMRCV"))


def details(root: ElementTree.Element) -> dict[str, str]:
    found = root.iter("ParticipantObjectDetail")
    return {one.attrib["type"]: base64.b64decode(one.attrib["value"]).decode() for one in found}


def test_every_act_has_its_event() -> None:
    assert set(KINDS) == set(ACTS)


@pytest.mark.parametrize("subject", ["", "ANON-X", "2.25.17", "user ada", "node CT_EAST"])
@pytest.mark.parametrize("action", [*ACTS, "of.a-version-to-come"])
def test_every_message_is_as_the_schema_says(action: str, subject: str) -> None:
    root = made(action, subject=subject, detail={"images": 3, "address": "10.0.0.7", "keys": ["PatientID"]})
    check(root)
    codes = [one.attrib["csd-code"] for one in root.iter("EventID")]
    assert 110100 <= int(codes[0]) <= 110114
    assert details(root)["sequence"] == "7" and details(root)["mac"] == "f" * 64


@pytest.mark.parametrize(
    ("action", "event", "type_", "code", "outcome"),
    [
        (actions.LOGGED_IN, "110114", "110122", "E", "0"),
        (actions.LOGIN_FAILED, "110114", "110122", "E", "4"),
        (actions.LOGGED_OUT, "110114", "110123", "E", "0"),
        (actions.IDENTITY_VIEWED, "110110", "identity.viewed", "R", "0"),
        (actions.IDENTITY_REFUSED, "110113", "110132", "E", "4"),
        (actions.EXPIRED, "110105", "study.expired", "D", "0"),
        (actions.IMAGES_PULLED, "110107", "images.pulled", "C", "0"),
        (actions.EXPORTED, "110101", "audit.exported", "R", "0"),
    ],
)
def test_events_are_those_of_the_standard(
    action: str, event: str, type_: str, code: str, outcome: str
) -> None:
    root = made(action)
    [said] = root.iter("EventIdentification")
    assert [one.attrib["csd-code"] for one in said.iter("EventID")] == [event]
    assert next(said.iter("EventTypeCode")).attrib["csd-code"] == type_
    assert (said.attrib["EventActionCode"], said.attrib["EventOutcomeIndicator"]) == (code, outcome)
    assert said.attrib["EventDateTime"] == "2026-03-01T12:00:00.123Z"


def test_who_acted_and_from_where() -> None:
    first, ours = made(actions.LOGGED_IN, detail={"address": "10.0.0.7"}).iter("ActiveParticipant")
    assert first.attrib["UserID"] == "ada" and first.attrib["UserIsRequestor"] == "true"
    assert first.attrib["NetworkAccessPointID"] == "10.0.0.7"
    assert ours.attrib["UserID"] == "DICOMRCV" and ours.attrib["UserIsRequestor"] == "false"


def test_a_person_is_named_by_the_pseudonym() -> None:
    [about] = made(subject="ANON-X").iter("ParticipantObjectIdentification")
    assert about.attrib["ParticipantObjectID"] == "ANON-X"
    assert (about.attrib["ParticipantObjectTypeCode"], about.attrib["ParticipantObjectTypeCodeRole"]) == (
        "1",
        "1",
    )


def test_a_query_tells_its_keywords_in_base64() -> None:
    root = made(actions.IDENTITIES_QUERIED, subject="", detail={"keys": ["PatientID"], "project": 1})
    [query] = root.iter("ParticipantObjectQuery")
    assert base64.b64decode(query.text or "") == b'{"keys": ["PatientID"]}'


def test_no_detail_takes_the_place_of_number_and_mac() -> None:
    said = details(made(actions.HELD, detail={"sequence": 1, "mac": 2, "series": 3}))
    assert said == {"sequence": "7", "mac": "f" * 64, "series": "3"}


def test_what_persons_typed_stays_here() -> None:
    said = {"comment": NEEDLES[0], "was": NEEDLES[1], "changes": [NEEDLES[2]], "nested": {"a": NEEDLES[0]}}
    text = message(
        Entry(
            sequence=1,
            at=AT,
            actor="ada",
            action=actions.HELD,
            subject="2.25.1",
            purpose=NEEDLES[0],
            detail=said,
            mac="",
        ),
        "X",
    ).decode()
    decoded = " ".join(details(ElementTree.fromstring(text)).values())
    assert not [needle for needle in NEEDLES if needle in text + decoded]


@pytest.mark.parametrize("odd", ["<&>\"'", "a\x00b\x1f\x7f", "Ünïcödé 😀", "]]>", "a\nb", "\ud800"])
def test_nothing_breaks_the_xml(odd: str) -> None:
    root = made(actor=odd, subject=odd, detail={odd: 1, "gate": odd})
    check(root)

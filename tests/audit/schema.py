"""The schema of PS3.15 A.5.1 as a table: attributes and elements that each element may and must have, in order."""

import base64
import re
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

CODED = {"csd-code", "codeSystemName", "originalText"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


@dataclass(frozen=True)
class Rule:
    """`children`: names with how many there are at least and at most, in their order."""

    must: set[str] = field(default_factory=set)
    may: set[str] = field(default_factory=set)
    children: tuple[tuple[str, int, float], ...] = ()
    values: dict[str, set[str]] = field(default_factory=dict)


MANY = float("inf")
CODE = Rule(CODED, {"displayName"})
RULES = {
    "AuditMessage": Rule(
        children=(
            ("EventIdentification", 1, 1),
            ("ActiveParticipant", 1, MANY),
            ("AuditSourceIdentification", 1, 1),
            ("ParticipantObjectIdentification", 0, MANY),
        )
    ),
    "EventIdentification": Rule(
        {"EventDateTime", "EventOutcomeIndicator"},
        {"EventActionCode"},
        (("EventID", 1, 1), ("EventTypeCode", 0, MANY), ("EventOutcomeDescription", 0, 1)),
        {"EventActionCode": set("CRUDE"), "EventOutcomeIndicator": {"0", "4", "8", "12"}},
    ),
    "EventID": CODE,
    "EventTypeCode": CODE,
    "ActiveParticipant": Rule(
        {"UserID", "UserIsRequestor"},
        {"AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"},
        (("RoleIDCode", 0, MANY), ("MediaIdentifier", 0, 1)),
        {"UserIsRequestor": {"true", "false"}, "NetworkAccessPointTypeCode": set("12345")},
    ),
    "RoleIDCode": CODE,
    "AuditSourceIdentification": Rule(
        {"AuditSourceID"}, {"AuditEnterpriseSiteID"}, (("AuditSourceTypeCode", 0, MANY),)
    ),
    "AuditSourceTypeCode": Rule({"csd-code"}, CODED | {"displayName"}, values={"csd-code": set("123456789")}),
    "ParticipantObjectIdentification": Rule(
        {"ParticipantObjectID"},
        {
            "ParticipantObjectTypeCode",
            "ParticipantObjectTypeCodeRole",
            "ParticipantObjectDataLifeCycle",
            "ParticipantObjectSensitivity",
        },
        (
            ("ParticipantObjectIDTypeCode", 1, 1),
            ("ParticipantObjectName|ParticipantObjectQuery", 1, 1),
            ("ParticipantObjectDetail", 0, MANY),
            ("ParticipantObjectDescription", 0, MANY),
        ),
        {
            "ParticipantObjectTypeCode": set("1234"),
            "ParticipantObjectTypeCodeRole": {str(n) for n in range(1, 27)},
        },
    ),
    "ParticipantObjectIDTypeCode": CODE,
    "ParticipantObjectName": Rule(),
    "ParticipantObjectQuery": Rule(),
    "ParticipantObjectDetail": Rule({"type", "value"}),
}


def check(element: Element) -> None:
    """Raises AssertionError where it is not as the schema says."""
    rule = RULES[element.tag]
    names = set(element.attrib)
    assert rule.must <= names <= rule.must | rule.may, f"{element.tag}: {names}"
    for name, allowed in rule.values.items():
        assert element.get(name, next(iter(allowed))) in allowed, f"{element.tag}: {name}"
    _in_order(element, rule)
    if element.tag == "ParticipantObjectDetail":
        base64.b64decode(element.attrib["value"], validate=True)
    if element.tag == "ParticipantObjectQuery":
        base64.b64decode(element.text or "", validate=True)
    if element.tag == "EventIdentification":
        assert TIME.fullmatch(element.attrib["EventDateTime"])
    for child in element:
        check(child)


def _in_order(element: Element, rule: Rule) -> None:
    tags = [child.tag for child in element]
    for names, least, most in rule.children:
        count = 0
        while tags and tags[0] in names.split("|"):
            tags.pop(0)
            count += 1
        assert least <= count <= most, f"{element.tag}: {count} of {names}"
    assert not tags, f"{element.tag} has {tags} out of its place"

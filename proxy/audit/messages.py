"""An entry as a DICOM audit message: PS3.15 A.5.1's schema, events and codes of CIDs 400 to 404.

What an entry says goes out, and what a person typed does not: purposes and comments are free text, and stay here. Each
message carries the entry's number and MAC, so that whoever keeps them holds an anchor for every entry.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final
from xml.etree import ElementTree

from proxy.audit import actions
from proxy.audit.models import Entry


@dataclass(frozen=True, slots=True)
class Code:
    value: str
    meaning: str
    system: str = "DCM"


@dataclass(frozen=True, slots=True)
class Kind:
    """Which event an act is: EventID, EventActionCode (create, read, update, delete, execute), perhaps a type of it,
    and EventOutcomeIndicator (0: success, 4: minor failure, 8: serious)."""

    event: Code
    action: str
    type: Code | None = None
    outcome: str = "0"


ACTIVITY: Final = Code("110100", "Application Activity")
LOG_USED: Final = Code("110101", "Audit Log Used")
ACCESSED: Final = Code("110103", "DICOM Instances Accessed")
TRANSFERRED: Final = Code("110104", "DICOM Instances Transferred")
STUDY_DELETED: Final = Code("110105", "DICOM Study Deleted")
EXPORT: Final = Code("110106", "Export")
IMPORT: Final = Code("110107", "Import")
PATIENT_RECORD: Final = Code("110110", "Patient Record")
QUERY: Final = Code("110112", "Query")
SECURITY_ALERT: Final = Code("110113", "Security Alert")
AUTHENTICATION: Final = Code("110114", "User Authentication")

LOGIN, LOGOUT = Code("110122", "Login"), Code("110123", "Logout")
SECURITY_CONFIGURATION: Final = Code("110129", "Security Configuration")
RESTRICTED: Final = Code("110132", "Use of Restricted Function")
USER_CHANGED: Final = Code("110137", "User Security Attributes Changed")

APPLICATION: Final = Code("110150", "Application")
STUDY_UID: Final = Code("110180", "Study Instance UID")
SOP_CLASS: Final = Code("110181", "SOP Class UID")
PATIENT: Final = Code("2", "Patient Number", "RFC-3881")
URI: Final = Code("12", "URI", "RFC-3881")

STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
"""Queries of the identified view come by C-FIND or by the API, which asks the same."""

_READ = Kind(PATIENT_RECORD, "R")
_CHANGED = Kind(ACCESSED, "U")
_KEYS = Kind(SECURITY_ALERT, "E", SECURITY_CONFIGURATION)
_DELETED = Kind(STUDY_DELETED, "D")

KINDS: Final[Mapping[str, Kind]] = {
    actions.IDENTITY_VIEWED: _READ,
    actions.IDENTITIES_QUERIED: Kind(QUERY, "E"),
    actions.IDENTITY_FOUND: _READ,
    actions.MAP_READ: _READ,
    actions.IDENTITY_REFUSED: Kind(SECURITY_ALERT, "E", RESTRICTED, "4"),
    actions.LOOK_APPROVED: Kind(SECURITY_ALERT, "E", USER_CHANGED),
    actions.LOOK_REJECTED: Kind(SECURITY_ALERT, "E", RESTRICTED, "4"),
    actions.UID_VIEWED: Kind(ACCESSED, "R"),
    actions.PSEUDONYM_LOOKED_UP: _READ,
    actions.IMAGES_GIVEN: Kind(TRANSFERRED, "R"),
    actions.IMAGES_REFUSED: Kind(TRANSFERRED, "R", outcome="4"),
    actions.QUERY_REFUSED: Kind(QUERY, "E", outcome="4"),
    actions.IMAGES_ASKED_FOR: Kind(QUERY, "E"),
    actions.IMAGES_PULLED: Kind(IMPORT, "C"),
    actions.IMAGES_DISPATCHED: Kind(EXPORT, "R"),
    actions.INSTANCE_RESTORED: Kind(ACCESSED, "R"),
    actions.RESULT_BROUGHT_HOME: _CHANGED,
    actions.FORGOTTEN: Kind(PATIENT_RECORD, "D"),
    actions.PERSON_MERGED: Kind(PATIENT_RECORD, "U"),
    actions.PERSON_CORRECTED: Kind(PATIENT_RECORD, "U"),
    actions.KEYS_CREATED: _KEYS,
    actions.KEYS_ROTATED: _KEYS,
    actions.KEYS_DROPPED: _KEYS,
    actions.KEYS_ESCROWED: _KEYS,
    actions.ACCESS_GIVEN: Kind(SECURITY_ALERT, "E", USER_CHANGED),
    actions.ACCESS_USED: Kind(AUTHENTICATION, "E", LOGIN),
    actions.ACCESS_WITHDRAWN: Kind(SECURITY_ALERT, "E", USER_CHANGED),
    actions.PSEUDONYMIZED: Kind(ACCESSED, "C"),
    actions.CONFIGURATION_CHANGED: Kind(SECURITY_ALERT, "E", SECURITY_CONFIGURATION),
    actions.API_KEY_MADE: Kind(SECURITY_ALERT, "E", USER_CHANGED),
    actions.API_KEY_REVOKED: Kind(SECURITY_ALERT, "E", USER_CHANGED),
    actions.API_KEY_USED: Kind(AUTHENTICATION, "E", LOGIN),
    actions.BACKED_UP: Kind(EXPORT, "R"),
    actions.RESTORED: Kind(IMPORT, "C"),
    actions.RESTORE_TRIED: Kind(ACTIVITY, "E"),
    actions.LET_GO: Kind(LOG_USED, "R"),
    actions.EXPORTED: Kind(LOG_USED, "R"),
    actions.CHAIN_CONTINUED: Kind(SECURITY_ALERT, "E", SECURITY_CONFIGURATION, "8"),
    actions.RECEIVED: Kind(TRANSFERRED, "C"),
    actions.RELEASED: _CHANGED,
    actions.HELD: _CHANGED,
    actions.REJECTED: _CHANGED,
    actions.RECONSIDERED: _CHANGED,
    actions.SET_FREE: _CHANGED,
    actions.SERIES_EXCLUDED: _CHANGED,
    actions.SERIES_INCLUDED: _CHANGED,
    actions.EXPIRED: _DELETED,
    actions.SEALS_DROPPED: _DELETED,
    actions.RESULT_EXPIRED: _DELETED,
    actions.QUARANTINE_DECIDED: _CHANGED,
    actions.HELD_RELEASED: _CHANGED,
    actions.DELIVERY_CHANGED: _CHANGED,
    actions.LOGGED_IN: Kind(AUTHENTICATION, "E", LOGIN),
    actions.LOGIN_FAILED: Kind(AUTHENTICATION, "E", LOGIN, "4"),
    actions.LOGGED_OUT: Kind(AUTHENTICATION, "E", LOGOUT),
    actions.PASSWORD_SET: Kind(SECURITY_ALERT, "E", USER_CHANGED),
    actions.ALERT_CLEARED: Kind(ACTIVITY, "E"),
}
OTHERWISE: Final = Kind(ACTIVITY, "E")
"""What other rooms, or versions to come, write."""

SAID: Final = frozenset(
    {
        "address",
        "decision",
        "destination",
        "door",
        "file",
        "gate",
        "keys",
        "result",
        "rule",
        "series",
        "sha256",
    }
)
"""Details whose text is ours. Of all others only numbers go out."""


def message(entry: Entry, source: str) -> bytes:
    """The XML of one entry, in UTF-8. `source`: who sends it, our AE title."""
    kind = KINDS.get(entry.action, OTHERWISE)
    root = ElementTree.Element("AuditMessage")
    root.append(_event(entry, kind))
    root.extend(_participants(entry, source))
    ElementTree.SubElement(root, "AuditSourceIdentification", {"AuditSourceID": source}).append(
        ElementTree.Element("AuditSourceTypeCode", {"csd-code": "4"})  # an application server
    )
    root.append(_query(entry) if kind.event is QUERY else _object(entry, kind))
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _event(entry: Entry, kind: Kind) -> ElementTree.Element:
    at = entry.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    facts = {
        "EventActionCode": kind.action,
        "EventDateTime": at,
        "EventOutcomeIndicator": kind.outcome,
    }
    event = ElementTree.Element("EventIdentification", facts)
    event.append(_coded("EventID", kind.event))
    if kind.type is not None:
        event.append(_coded("EventTypeCode", kind.type))
    event.append(_coded("EventTypeCode", Code(entry.action, entry.action, "Postern")))
    return event


def _participants(entry: Entry, source: str) -> Iterator[ElementTree.Element]:
    """Who acted, and the application that carried it out."""
    facts = {"UserID": _clean(entry.actor), "UserIsRequestor": "true"}
    if address := str(entry.detail.get("address") or ""):
        facts |= {"NetworkAccessPointID": _clean(address), "NetworkAccessPointTypeCode": "2"}
    yield ElementTree.Element("ActiveParticipant", facts)
    ours = ElementTree.Element("ActiveParticipant", {"UserID": source, "UserIsRequestor": "false"})
    ours.append(_coded("RoleIDCode", APPLICATION))
    yield ours


def _object(entry: Entry, kind: Kind) -> ElementTree.Element:
    """A patient by the pseudonym, a study by its pseudonymous UID, or whatever the act was about."""
    subject = _clean(entry.subject) or "audit"
    if kind.event is LOG_USED:
        role, code, name = {"type": "2", "role": "13"}, URI, "Security Audit Log"
    elif subject.startswith("ANON-") or kind.event is PATIENT_RECORD:
        role, code, name = {"type": "1", "role": "1"}, PATIENT, subject
    elif set(subject) <= set("0123456789."):
        role, code, name = {"type": "2", "role": "3"}, STUDY_UID, subject
    else:
        role, code, name = {"type": "2", "role": "13"}, URI, subject
    made = _identified(subject, role["type"], role["role"], code)
    ElementTree.SubElement(made, "ParticipantObjectName").text = name
    made.extend(_details(entry))
    return made


def _query(entry: Entry) -> ElementTree.Element:
    """By its keywords, never by its values; base64, as the schema wants it."""
    made = _identified(STUDY_ROOT_FIND, "2", "24", SOP_CLASS)
    asked = {name: value for name, value in entry.detail.items() if name == "keys"}
    ElementTree.SubElement(made, "ParticipantObjectQuery").text = _base64(json.dumps(asked, sort_keys=True))
    made.extend(_details(entry))
    return made


def _identified(name: str, kind: str, role: str, code: Code) -> ElementTree.Element:
    facts = {
        "ParticipantObjectID": name,
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    made = ElementTree.Element("ParticipantObjectIdentification", facts)
    made.append(_coded("ParticipantObjectIDTypeCode", code))
    return made


def _details(entry: Entry) -> Iterator[ElementTree.Element]:
    said = {**dict(_sayable(entry.detail)), "sequence": entry.sequence, "mac": entry.mac}
    for name, value in said.items():
        text = value if isinstance(value, str) else json.dumps(value)
        yield ElementTree.Element("ParticipantObjectDetail", {"type": _clean(name), "value": _base64(text)})


def _sayable(detail: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in detail.items():
        if isinstance(value, bool | int) or name in SAID:
            yield name, value


def _coded(name: str, code: Code) -> ElementTree.Element:
    said = {"csd-code": code.value, "codeSystemName": code.system, "originalText": code.meaning}
    return ElementTree.Element(name, said)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")


def _clean(text: str) -> str:
    """XML 1.0 knows no control characters; a token has no line breaks."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())

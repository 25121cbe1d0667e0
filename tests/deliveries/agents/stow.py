"""A STOW-RS service of our own: says of each instance what it is told to say, in JSON or XML."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.backend.multipart import parts
from tests.backend.serving import Reply, Request, Server, serving

Verdict = int | None  # None: stored; else the Failure Reason


def uid_in(content: bytes) -> str:
    """The files of `parcels.items_in` say which image they are in their first words."""
    return "2.25.12" + content.split(b"image ")[1].split(b"image")[0].decode()


class Store:
    """Remembers what it stored, by SOP Instance UID. `xml`: answers in the Native DICOM Model."""

    def __init__(self, verdict: Callable[[str], Verdict], *, xml: bool = False, limit: int = 0) -> None:
        self.stored: list[str] = []
        self.batches: list[int] = []
        self._verdict = verdict
        self._xml = xml
        self._limit = limit

    def __call__(self, request: Request) -> Reply:
        assert request.method == "POST" and request.path.endswith("/studies")
        assert request.headers["Content-Type"].startswith('multipart/related; type="application/dicom"')
        if self._limit and request.size > self._limit:
            return Reply(413)
        found = list(parts(request))
        assert all(part.headers["Content-Type"] == "application/dicom" for part in found)
        uids = [uid_in(part.content) for part in found]
        self.batches.append(len(uids))
        said = {uid: self._verdict(uid) for uid in uids}
        self.stored += [uid for uid in uids if said[uid] is None]
        return self._reply(said)

    def _reply(self, said: dict[str, Verdict]) -> Reply:
        stored = [uid for uid, reason in said.items() if reason is None]
        failed = [(uid, reason) for uid, reason in said.items() if reason is not None]
        status = 200 if not failed else 202 if stored else 409
        if self._xml:
            return Reply(status, in_xml(stored, failed).encode(), "application/dicom+xml")
        body = json.dumps(in_json(stored, failed)).encode()
        return Reply(status, body, "application/dicom+json")


def in_json(stored: list[str], failed: list[tuple[str, int]]) -> dict[str, Any]:
    def item(uid: str) -> dict[str, Any]:
        return {
            "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
            "00081155": {"vr": "UI", "Value": [uid]},
        }

    found: dict[str, Any] = {"00081190": {"vr": "UR", "Value": ["http://localhost/studies/1"]}}
    if stored:
        found["00081199"] = {"vr": "SQ", "Value": [item(uid) for uid in stored]}
    if failed:
        reasons = [{**item(uid), "00081197": {"vr": "US", "Value": [reason]}} for uid, reason in failed]
        found["00081198"] = {"vr": "SQ", "Value": reasons}
    return found


def in_xml(stored: list[str], failed: list[tuple[str, int]]) -> str:
    def attribute(tag: str, value: object) -> str:
        return f'<DicomAttribute tag="{tag}" vr="UI"><Value number="1">{value}</Value></DicomAttribute>'

    def sequence(tag: str, items: list[str]) -> str:
        inner = "".join(f'<Item number="{n}">{item}</Item>' for n, item in enumerate(items, 1))
        return f'<DicomAttribute tag="{tag}" vr="SQ">{inner}</DicomAttribute>'

    refused = [attribute("00081155", uid) + attribute("00081197", reason) for uid, reason in failed]
    body = sequence("00081199", [attribute("00081155", uid) for uid in stored]) + sequence(
        "00081198", refused
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">{body}</NativeDicomModel>'
    )


@contextmanager
def a_store(
    verdict: Callable[[str], Verdict] = lambda uid: None, *, xml: bool = False, limit: int = 0
) -> Iterator[tuple[Server, Store]]:
    store = Store(verdict, xml=xml, limit=limit)
    with serving(store) as server:
        yield server, store

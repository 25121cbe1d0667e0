"""Leave a mark. Call it last in the transaction of the act it describes: from here on others wait for you.

Plain SQL: a query of the identified view leaves a mark for everybody it answers, hundreds in one go.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone

from proxy import sql
from proxy.audit.chain import Facts, entry_mac, head_mac, same
from proxy.audit.keyfile import audit_key
from proxy.audit.models import FIELDS, GENESIS, Entry, Head
from proxy.storage.keys import KeysMissing

HEAD: Final = 1
LENGTHS: Final = {"actor": 255, "action": 64, "subject": 255, "purpose": 1000}


class ChainBroken(KeysMissing):
    """Our fault: the end of the chain was tampered with, so nothing may be appended to it. To whoever acts that is what
    a missing key is: no mark, so no act, and a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Mark:
    """What an entry is to say. `subject` and `detail` hold pseudonyms and objects, never an identity."""

    action: str
    actor: str
    subject: str = ""
    purpose: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(
    action: str,
    *,
    actor: str,
    subject: str = "",
    purpose: str = "",
    detail: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> Entry:
    """Append one entry, and return what it says; not its row's number."""
    [(facts, mac)] = record_all([Mark(action, actor, subject, purpose, detail or {})], at)
    return Entry(**asdict(facts), mac=mac)


def record_all(marks: Sequence[Mark], at: datetime | None = None) -> list[tuple[Facts, str]]:
    """Append an entry for each, in this order, all or none. What they say, and their MACs."""
    said = [_storable_mark(mark) for mark in marks]
    with transaction.atomic():
        return _append(said, at or timezone.now()) if said else []


def _storable_mark(mark: Mark) -> Mark:
    """Cut to length and without what a database cannot hold, before the MAC is made."""
    if not mark.actor or not mark.action:
        raise ValueError("An audit entry names who did what.")
    words = {name: _storable(getattr(mark, name))[:length] for name, length in LENGTHS.items()}
    return Mark(**words, detail=_exact(dict(mark.detail)))


def _append(said: Sequence[Mark], at: datetime) -> list[tuple[Facts, str]]:
    key = audit_key()
    count, last = _locked_head(key)
    chained = []
    for number, mark in enumerate(said, count + 1):
        facts = Facts(number, at, mark.actor, mark.action, mark.subject, mark.purpose, mark.detail, last)
        last = entry_mac(key, facts)
        chained.append((facts, last))
    _insert([_row(facts, mac) for facts, mac in chained])
    count += len(chained)
    sql.ask(_MOVE, count, last, head_mac(key, count, last), HEAD)
    return chained


def _insert(rows: Sequence[tuple[Any, ...]]) -> None:
    try:
        sql.insert_many("audit_entry", FIELDS, rows)
    except IntegrityError:  # we hold the head: nobody of ours writes there
        raise ChainBroken(
            "Something that we did not write stands after the audit's last entry; run verify_audit."
        ) from None


_MOVE: Final = "UPDATE audit_head SET count = %s, head = %s, mac = %s WHERE id = %s"


def _row(facts: Facts, mac: str) -> tuple[Any, ...]:
    words = facts.actor, facts.action, facts.subject, facts.purpose
    detail = json.dumps(facts.detail)
    return facts.sequence, facts.version, sql.time(facts.at), *words, detail, facts.previous, mac


def _locked_head(key: bytes) -> tuple[int, str]:
    """SQLite is locked since BEGIN IMMEDIATE; PostgreSQL locks the row."""
    question = f"SELECT count, head, mac FROM audit_head WHERE id = %s {sql.lock('FOR UPDATE')}"  # noqa: S608
    rows = sql.ask(question, HEAD)
    if not rows:
        _begin(key)
        rows = sql.ask(question, HEAD)
    if not rows:
        raise ChainBroken("The head of the audit chain is gone; run verify_audit.")
    count, head, mac = rows[0]
    if not same(str(mac), head_mac(key, count, head)):
        raise ChainBroken("The head of the audit chain was changed; run verify_audit.")
    return count, head


def _begin(key: bytes) -> None:
    """Of several first writers one makes the head. Entries without a head are no beginning."""
    if Entry.objects.exists():
        return
    first = Head(id=HEAD, count=0, head=GENESIS, mac=head_mac(key, 0, GENESIS))
    Head.objects.bulk_create([first], ignore_conflicts=True)


def _storable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def _exact(value: Any) -> Any:
    """Only what comes back from any database as it went in: no floats, no objects."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _storable(value)
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    if isinstance(value, Mapping):
        return {_storable(str(name)): _exact(one) for name, one in value.items()}
    raise TypeError(f"An audit entry's detail cannot hold a {type(value).__name__}.")

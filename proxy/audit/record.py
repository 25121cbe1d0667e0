"""Leave a mark. Call it last in the transaction of the act it describes: from here on others wait for you."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, transaction
from django.utils import timezone

from proxy.audit.chain import Facts, entry_mac, head_mac, same
from proxy.audit.keyfile import audit_key
from proxy.audit.models import GENESIS, Entry, Head

HEAD: Final = 1
LENGTHS: Final = {"actor": 255, "action": 64, "subject": 255, "purpose": 1000}


class ChainBroken(Exception):
    """Our fault: the end of the chain was tampered with, so nothing may be appended to it."""

    status = 0x0110


def record(
    action: str,
    *,
    actor: str,
    subject: str = "",
    purpose: str = "",
    detail: Mapping[str, Any] | None = None,
    at: datetime | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> Entry:
    """Append one entry. `subject` and `detail` hold pseudonyms and objects, never an identity."""
    said = _plain({"actor": actor, "action": action, "subject": subject, "purpose": purpose})
    exact = _exact(dict(detail or {}))
    with transaction.atomic(using=using):
        return _append(said, exact, at or timezone.now(), using)


def _append(said: Mapping[str, str], detail: dict[str, Any], at: datetime, using: str) -> Entry:
    key = audit_key()
    head = _locked_head(key, using)
    facts = Facts(
        sequence=head.count + 1,
        at=at,
        actor=said["actor"],
        action=said["action"],
        subject=said["subject"],
        purpose=said["purpose"],
        detail=detail,
        previous=head.head,
    )
    entry = Entry(**asdict(facts), mac=entry_mac(key, facts))
    entry.save(using=using, force_insert=True)
    _move_head(head, entry, key, using)
    return entry


def _locked_head(key: bytes, using: str) -> Head:
    """SQLite is locked since BEGIN IMMEDIATE; PostgreSQL locks the row."""
    rows = Head.objects.using(using).select_for_update()
    head = rows.filter(pk=HEAD).first()
    if head is None:
        _begin(key, using)
        head = rows.filter(pk=HEAD).first()
    if head is None:
        raise ChainBroken("The head of the audit chain is gone; run verify_audit.")
    if not same(head.mac, head_mac(key, head.count, head.head)):
        raise ChainBroken("The head of the audit chain was changed; run verify_audit.")
    return head


def _begin(key: bytes, using: str) -> None:
    """Of several first writers one makes the head. Entries without a head are no beginning."""
    if Entry.objects.using(using).exists():
        return
    first = Head(id=HEAD, count=0, head=GENESIS, mac=head_mac(key, 0, GENESIS))
    Head.objects.using(using).bulk_create([first], ignore_conflicts=True)


def _move_head(head: Head, entry: Entry, key: bytes, using: str) -> None:
    head.count, head.head = entry.sequence, entry.mac
    head.mac = head_mac(key, head.count, head.head)
    head.save(using=using, update_fields=["count", "head", "mac"])


def _plain(said: Mapping[str, str]) -> dict[str, str]:
    """Cut to length and without what a database cannot hold, before the MAC is made."""
    if not said["actor"] or not said["action"]:
        raise ValueError("An audit entry names who did what.")
    return {name: _storable(text)[: LENGTHS[name]] for name, text in said.items()}


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

"""Anchors: how long the chain was and what its head was, written where the database's owner cannot reach.

One line of JSON each, appended and fsynced, each under a MAC of its own. Whoever cuts the chain or puts back an
older one, with its head, is contradicted by the anchors that were written since.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from proxy.audit.chain import anchor_mac, head_mac, same
from proxy.audit.keyfile import audit_key
from proxy.audit.models import Head
from proxy.audit.record import HEAD, ChainBroken


@dataclass(frozen=True, slots=True)
class Anchor:
    count: int
    head: str
    at: str
    mac: str


def anchor(path: Path, using: str = DEFAULT_DB_ALIAS) -> Anchor | None:
    """Append the present head to the file, unless it says so already. None: there is nothing to anchor."""
    head = Head.objects.using(using).filter(pk=HEAD).first()
    if head is None:
        return None
    key = audit_key()
    if not same(head.mac, head_mac(key, head.count, head.head)):
        raise ChainBroken("The head of the audit chain was changed; run verify_audit.")
    at = timezone.now().isoformat(timespec="seconds")
    made = Anchor(head.count, head.head, at, anchor_mac(key, head.count, head.head, at))
    last = list(read_anchors(path))[-1:]
    if not last or (last[0].count, last[0].head) != (made.count, made.head):
        _append(path, json.dumps(asdict(made)) + "\n")
    return made


def read_anchors(path: Path | None) -> Iterator[Anchor]:
    """A line that cannot be read is an anchor that somebody changed."""
    if path is None or not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        yield _read(line)


def _read(line: str) -> Anchor:
    try:
        said = json.loads(line)
        return Anchor(int(said["count"]), str(said["head"]), str(said["at"]), str(said["mac"]))
    except (ValueError, TypeError, KeyError):
        return Anchor(0, "", "", "")


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)

"""Anchors: how long the chain was and what its head was, written where the database's owner cannot reach.

One line of JSON each, appended and fsynced, each under a MAC of its own. Whoever cuts the chain or puts back an
older one, with its head, is contradicted by the anchors that were written since. The database in turn knows the last
anchor of a file: whoever cuts or removes the file is contradicted by that, and has to put both back to one moment.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from proxy.audit.chain import anchor_mac, head_mac, same
from proxy.audit.keyfile import audit_key
from proxy.audit.models import Head, LastAnchor
from proxy.audit.record import HEAD, ChainBroken
from proxy.storage.lines import append

ANCHOR_EVERY: Final = 300.0  # seconds
TAIL: Final = 4096
"""So many bytes at the file's end hold its last line."""


@dataclass(frozen=True, slots=True)
class Anchor:
    count: int
    head: str
    at: str
    mac: str


UNREADABLE: Final = Anchor(0, "", "", "")


def file() -> Path:
    """Where this installation keeps them."""
    return Path(settings.AUDIT_ANCHORS)


def anchor(path: Path, using: str = DEFAULT_DB_ALIAS) -> Anchor | None:
    """Append the present head to the file. None: there is nothing to anchor, or the file's last line says so already.

    Raises ChainBroken, KeysMissing, OSError.
    """
    head = Head.objects.using(using).filter(pk=HEAD).first()
    if head is None:
        return None
    key = audit_key()
    if not same(head.mac, head_mac(key, head.count, head.head)):
        raise ChainBroken("The head of the audit chain was changed; run verify_audit.")
    last = last_anchor(path)
    if last is not None and (last.count, last.head) == (head.count, head.head):
        return None
    is_whole = _is_whole(path, last, using)
    at = timezone.now().isoformat(timespec="microseconds")
    made = Anchor(head.count, head.head, at, anchor_mac(key, head.count, head.head, at))
    _append(path, json.dumps(asdict(made)))
    if is_whole:  # else what is missing stays missing until a person carries on
        LastAnchor.objects.using(using).update_or_create(file=_name(path), defaults=asdict(made))
    return made


def expected(path: Path, using: str = DEFAULT_DB_ALIAS) -> Anchor | None:
    """The one that this file must hold, as the database says. Ask before the file is read: it is written first."""
    row = LastAnchor.objects.using(using).filter(file=_name(path)).first()
    return None if row is None else Anchor(row.count, row.head, row.at, row.mac)


def forget(path: Path) -> None:
    """The file may hold whatever it holds: somebody has left a mark that says why."""
    LastAnchor.objects.filter(file=_name(path)).delete()


def _is_whole(path: Path, last: Anchor | None, using: str) -> bool:
    known = expected(path, using)
    return known is None or known == last or any(one == known for one in read_anchors(path))


def _name(path: Path) -> str:
    return sha256(str(path.resolve()).encode("utf-8", "surrogateescape")).hexdigest()


def read_anchors(path: Path | None) -> Iterator[Anchor]:
    """A line that cannot be read is an anchor that somebody changed. Only half of one at the file's end is what a crash
    leaves; where an anchor stood there, the database contradicts."""
    if path is None or not path.is_file():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            if not _is_cut_short(line):
                yield _read(line)


def highest(path: Path) -> int:
    """How many entries the longest chain had that was ever anchored here."""
    return max((one.count for one in read_anchors(path)), default=0)


def left_behind(path: Path) -> dict[str, Any]:
    """What a mark says of the anchors that it explains: all that are here now."""
    last = last_anchor(path)
    return {"anchored": highest(path), "last_anchor": last.mac if last is not None else ""}


def last_anchor(path: Path) -> Anchor | None:
    try:
        with path.open("rb") as lines:
            lines.seek(max(0, lines.seek(0, os.SEEK_END) - TAIL))
            tail = lines.read().decode("utf-8", "replace").splitlines(keepends=True)
    except FileNotFoundError:
        return None
    whole = [line for line in tail if not _is_cut_short(line)]
    return _read(whole[-1]) if whole else None


def _is_cut_short(line: str) -> bool:
    return not line.endswith("\n") and not _is_anchor(line)


def _is_anchor(line: str) -> bool:
    return _read(line) != UNREADABLE


def _read(line: str) -> Anchor:
    try:
        said = json.loads(line)
        return Anchor(int(said["count"]), str(said["head"]), str(said["at"]), str(said["mac"]))
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return UNREADABLE


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    append(path, line, _is_anchor)

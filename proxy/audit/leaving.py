"""Old entries leave, and the chain stays whole: they are exported, an entry says up to where, then they go.

That entry, written like any other, holds the number and the MAC of the last one that left: what stays hangs on to it
as it did before. Whoever deletes more than it says, or deletes without one, is found. With the exported files the
whole chain can be read again from its first entry on.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from proxy.audit import anchors, guard, sending
from proxy.audit.actions import CHAIN_CONTINUED, LET_GO, RESTORED
from proxy.audit.anchors import Anchor
from proxy.audit.chain import Facts, entry_mac, same
from proxy.audit.keyfile import audit_key
from proxy.audit.models import FIELDS, GENESIS, Entry
from proxy.audit.record import ChainBroken, record
from proxy.audit.rows import UNREADABLE, facts_of
from proxy.storage.files import stage

PAGE: Final = 1000
EXCUSES: Final = (RESTORED, CHAIN_CONTINUED)
KINDS: Final = {"sequence": int, "version": int, "detail": dict}
"""Of a line of an export; all else is text."""


@dataclass(frozen=True, slots=True)
class Excuse:
    """An entry says which anchors a restore, or a person who carried on, has left behind: those made before it that saw
    a chain as long as `anchored`. `last` is the MAC of the last line of their file then, so no clock is believed; in
    another file, and of entries that do not say it, what counts is `at`, as anchors write it."""

    sequence: int
    at: str
    anchored: int
    last: str = ""

    def covers(self, anchor: Anchor, line: int, lines: Mapping[str, int]) -> bool:
        """`line`: its place in its file; `lines`: the places of all MACs in there."""
        is_before = line <= lines[self.last] if self.last in lines else anchor.at <= self.at
        return is_before and self.sequence <= anchor.count <= self.anchored


@dataclass(frozen=True, slots=True)
class Floor:
    """Entries up to this one have left, or may leave; `head` is its MAC. `excuses` stood in entries that have left, and
    still explain anchors that contradict what stays."""

    up_to: int
    head: str
    excuses: tuple[Excuse, ...] = ()


@dataclass(frozen=True, slots=True)
class Left:
    """What retention has done: where the entries lie now, and how many went."""

    file: Path | None
    up_to: int
    gone: int


NOT_OWNER: Final = (
    "The database user of this process may not let entries go: run audit_retention as the owner of the tables"
    " (docs/audit.md)."
)


class Forbidden(Exception):
    """The operator's to mend: another database user is needed."""


class NotExported(Exception):
    """The operator's to mend: the file given as an export of entries is none of ours; the sentence says where."""


# --- what has left --------------------------------------------------------------------------------


def floor(key: bytes, using: str = DEFAULT_DB_ALIAS) -> Floor | None:
    """What the last genuine entry of retention says."""
    rows = Entry.objects.using(using).filter(action=LET_GO).order_by("-sequence")
    for pk in rows.values_list("pk", flat=True):
        if (found := _floor(key, using, pk)) is not None:
            return found
    return None


def _floor(key: bytes, using: str, pk: int) -> Floor | None:
    try:
        entry = Entry.objects.using(using).get(pk=pk)
        if same(entry.mac, entry_mac(key, facts_of(entry))):
            excuses = tuple(Excuse(*one) for one in entry.detail.get("excuses", ()))
            return Floor(int(entry.detail["up_to"]), str(entry.detail["head"]), excuses)
    except (*UNREADABLE, KeyError, DatabaseError):
        return None  # somebody made it unreadable, which is found when all are read
    return None


def excuse_of(facts: Facts) -> Excuse | None:
    """Of a genuine entry."""
    anchored = facts.detail.get("anchored") if facts.action in EXCUSES else None
    if not isinstance(anchored, int):
        return None
    at = facts.at.astimezone(UTC).isoformat(timespec="microseconds")
    return Excuse(facts.sequence, at, anchored, str(facts.detail.get("last_anchor", "")))


# --- exported files -------------------------------------------------------------------------------


def line_of(entry: Entry) -> str:
    """One entry as a line of JSON: all that its MAC covers, and the MAC."""
    said = {name: getattr(entry, name) for name in FIELDS} | {"at": entry.at.isoformat()}
    return json.dumps(said, separators=(",", ":")) + "\n"


def read_exported(files: Iterable[Path]) -> Iterator[Entry]:
    """Raises NotExported, OSError."""
    for file in files:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                yield _entry(file, number, line)


def _entry(file: Path, number: int, line: str) -> Entry:
    try:
        said = json.loads(line)
        at = parse_datetime(said["at"])
        found = {name: said[name] for name in FIELDS}
    except (ValueError, TypeError, KeyError, RecursionError):
        at, found = None, {}
    kinds_fit = all(isinstance(value, KINDS.get(name, str)) for name, value in found.items())
    if at is None or at.tzinfo is None or not kinds_fit:
        raise NotExported(f"{file.name} is no export of audit entries (line {number}).")
    return Entry(**found | {"at": at})


# --- letting go -----------------------------------------------------------------------------------


def let_go(folder: Path, before: datetime, actor: str) -> Left:
    """Export entries made earlier than `before`, say so in the chain, and remove them.

    A crash in between loses nothing: what the last such entry names and is still there goes first. On PostgreSQL this
    needs the owner of the tables. Raises Forbidden, ChainBroken, KeysMissing, OSError.
    """
    _must_be_whole()
    key = audit_key()
    standing = floor(key) or Floor(0, GENESIS)
    gone = _remove(standing.up_to)
    last = _last_before(before, standing.up_to)
    if last is None:
        return Left(None, standing.up_to, gone)
    file, digest = _export(folder, standing.up_to, last.sequence)
    excuses = [list(astuple(one)) for one in _excuses(standing, last.sequence)]
    detail = {
        "up_to": last.sequence,
        "head": last.mac,
        "file": file.name,
        "sha256": digest,
        "excuses": excuses,
    }
    record(LET_GO, actor=actor, subject="audit", detail=detail)
    return Left(file, last.sequence, gone + _remove(last.sequence))


def _must_be_whole() -> None:
    """What was tampered with stays where it can be looked at."""
    from proxy.audit.verify import verify  # noqa: PLC0415 - which reads what is written here

    report = verify(anchors.file())
    if not report.ok:
        raise ChainBroken(report.sentence())
    if not may_remove():
        raise Forbidden(NOT_OWNER)


def may_remove() -> bool:
    """On PostgreSQL only the owner of the tables may let entries go."""
    django = connections[DEFAULT_DB_ALIAS]
    if django.vendor != "postgresql":
        return True
    with django.cursor() as cursor:
        cursor.execute("SELECT has_function_privilege(%s, 'EXECUTE')", [f"{guard.LET_GO}(bigint, integer)"])
        return bool(cursor.fetchone()[0])


def _last_before(before: datetime, standing: int) -> Entry | None:
    """The last of those that are old without a gap, and that the syslog server has, if there is one."""
    young = Entry.objects.filter(at__gte=before).order_by("sequence").first()
    old = Entry.objects.filter(sequence__gt=standing).order_by("-sequence")
    if young is not None:
        old = old.filter(sequence__lt=young.sequence)
    if (sent := sending.unsent_after()) is not None:
        old = old.filter(sequence__lte=sent)
    return old.first()


def _excuses(standing: Floor, up_to: int) -> list[Excuse]:
    """Those that leave now, or left before, and are still needed."""
    leaving = Entry.objects.filter(action__in=EXCUSES, sequence__gt=standing.up_to, sequence__lte=up_to)
    said = [*standing.excuses, *(excuse_of(facts_of(entry)) for entry in leaving.order_by("sequence"))]
    return [one for one in said if one is not None and one.anchored > up_to]


def _export(folder: Path, after: int, up_to: int) -> tuple[Path, str]:
    """Durable when this returns; its name and its SHA-256."""
    digest = sha256()
    name = f"audit-{after + 1}-{up_to}-{timezone.now():%Y%m%dT%H%M%S%f}.jsonl"
    with stage(folder, name) as staged:
        for line in lines_between(after, up_to):
            digest.update(line)
            staged.write([line])
        return staged.commit(), digest.hexdigest()


def lines_between(after: int, up_to: int) -> Iterator[bytes]:
    while after < up_to:
        rows = Entry.objects.filter(sequence__gt=after, sequence__lte=up_to).order_by("sequence")[:PAGE]
        for entry in rows:
            after = entry.sequence
            yield line_of(entry).encode("ascii")


def _remove(up_to: int) -> int:
    """Page by page, the oldest first, so that what stays never has a gap; how many went."""
    gone = 0
    while Entry.objects.filter(sequence__lte=up_to).exists():
        gone += _remove_some(up_to)
    return gone


def _remove_some(up_to: int) -> int:
    django = connections[DEFAULT_DB_ALIAS]
    with transaction.atomic(), django.cursor() as cursor:
        if django.vendor == "postgresql":
            cursor.execute(f"SELECT {guard.LET_GO}(%s, %s)", [up_to, PAGE])
            return int(cursor.fetchone()[0])
        guard.lift(django)
        cursor.execute(
            "DELETE FROM audit_entry WHERE sequence IN (SELECT sequence FROM audit_entry WHERE sequence <= %s"
            " ORDER BY sequence LIMIT %s)",
            [up_to, PAGE],
        )
        gone = int(cursor.rowcount)
        guard.install(django)
        return gone

"""Was anything done to the chain? Every entry is read again and every trace of tampering gets its name.

An entry is genuine where its MAC fits what it says, its place and its predecessor. One that is not is looked at
more closely: did it keep its MAC (edited), does it fit another place (moved), or did we never write it? Places
that no genuine entry can be found for were deleted, or cut off when they are the last. The head row and the
anchors, which lie outside of the table, say how far the chain must reach; an entry that retention wrote says from
where on it must be there, and the exported file of what went before proves that, too (`leaving.py`).

A restored backup is an older chain, and anchors of what was written since contradict it. The entry that every restore
leaves names the last anchor there was: what is lost that way is lost with an explanation.

Entries may be appended meanwhile. What is read is read in pages, so nobody waits for us.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

from django.db import DEFAULT_DB_ALIAS

from proxy.audit.actions import CHAIN_CONTINUED
from proxy.audit.anchors import Anchor, expected, read_anchors
from proxy.audit.chain import Facts, anchor_mac, entry_mac, head_mac, same
from proxy.audit.findings import Finding, Kind, merged
from proxy.audit.keyfile import audit_key
from proxy.audit.leaving import Excuse, excuse_of, floor, read_exported
from proxy.audit.models import GENESIS, Head
from proxy.audit.rows import Row, Table, exported_row

SEARCHED: Final = 1000
"""How far around its place an entry's own place is looked for."""
TRIES: Final = 200_000
"""How often altogether, so that a table full of forgeries is still judged in seconds."""


@dataclass(frozen=True, slots=True)
class Report:
    """`count` entries were read; the chain is whole if nothing was found. The first `gone` ones had left by
    retention and were not read."""

    count: int
    findings: tuple[Finding, ...]
    gone: int = 0

    @property
    def ok(self) -> bool:
        return not self.findings

    def sentence(self) -> str:
        if self.ok:
            before = f" The first {self.gone} were let go after their export." if self.gone else ""
            return f"The audit chain is whole: {self.count} entries.{before}"
        first = self.findings[0].sentence
        found = "1 finding" if len(self.findings) == 1 else f"{len(self.findings)} findings"
        return f"The audit chain was tampered with ({found} in {self.count} entries): {first}"


def verify(
    anchors: Path | None = None, using: str = DEFAULT_DB_ALIAS, exported: Sequence[Path] = ()
) -> Report:
    """`exported`: files of entries that retention let go, the oldest first. Raises KeysMissing without the audit's key,
    OSError for a file that cannot be read."""
    must_hold = None if anchors is None else expected(anchors, using)
    known = list(read_anchors(anchors))  # before the entries: both may grow meanwhile
    search = _Search(audit_key(), Table(using), {one.count for one in known})
    search.read(exported)
    search.leave_out_what_left(exported)
    search.judge_head()
    search.judge_anchors(known)
    if must_hold is not None:
        search.judge_file(must_hold, known)
    return Report(search.count, merged(search.findings + search.missing()), search.start.sequence)


class _Search:
    """Reads the rows once; keeps only what is suspicious."""

    def __init__(self, key: bytes, table: Table, anchored: set[int]) -> None:
        self.key, self.table, self.anchored = key, table, anchored
        self.seen: dict[int, str] = {}
        self.excuses: list[Excuse] = []
        self.start = Row(0, GENESIS, None)
        self.count, self.last = 0, 0
        self.findings: list[Finding] = []
        self.empty: list[tuple[int, int]] = []
        self.left: list[tuple[int, int]] = []
        self.moved_from: set[int] = set()
        self.strangers: list[int] = []
        self.offset, self.tries = 0, TRIES
        self.head: Head | None = None
        self.head_is_ours = False

    # --- reading --------------------------------------------------------------------------------

    def read(self, exported: Sequence[Path]) -> None:
        """Until the table holds nothing more and the head was read after its last entry."""
        rows = _with_next(self._rows(exported))
        first = next(rows, None)
        before = self.start = self._start(first[0] if first else None)
        for row, after in chain([first] if first else [], rows):
            self._judge(before, row, after)
            before = row
        self.last = before.sequence

    def _start(self, first: Row | None) -> Row:
        """After which entry the first one must stand: none, unless retention let go what was before it."""
        left = floor(self.key, self.table.using)
        if left is None or first is None or first.sequence == 1:
            return self.start
        self.excuses.extend(left.excuses)
        if first.sequence > left.up_to:
            return Row(left.up_to, left.head, None)
        return Row(first.sequence - 1, first.facts.previous if first.facts else "", None)

    def _rows(self, exported: Sequence[Path]) -> Iterator[Row]:
        last = 0
        for entry in read_exported(exported):
            last = entry.sequence
            yield exported_row(entry)
        if self.table.has_odd_numbers():
            self._find(Kind.INSERTED, 0)
        while True:
            self._read_head()
            page = self.table.page(last)
            yield from page
            if not page:
                return
            last = page[-1].sequence

    def _read_head(self) -> None:
        self.head = head = self.table.head()
        self.head_is_ours = head is not None and same(head.mac, head_mac(self.key, head.count, head.head))

    def leave_out_what_left(self, exported: Sequence[Path]) -> None:
        """Retention may have removed entries while we read: up to where its mark says and the oldest first, so nothing
        before such a hole stays. Given the exported files, all must be there."""
        left = None if exported or not self.empty else floor(self.key, self.table.using)
        if left is not None:
            self.left = [(a, b) for a, b in self.empty if b <= left.up_to and not self.table.has_before(a)]
            self.empty = [hole for hole in self.empty if hole not in self.left]
            self.excuses.extend(left.excuses)

    # --- judging --------------------------------------------------------------------------------

    def _judge(self, before: Row, row: Row, after: Row | None) -> None:
        self.count += 1
        if row.sequence in self.anchored:
            self.seen[row.sequence] = row.mac
        if row.sequence > before.sequence + 1:
            self.empty.append((before.sequence + 1, row.sequence - 1))
        if row.facts is not None and same(row.mac, entry_mac(self.key, row.facts)):
            self._judge_link(before, row, row.facts)
            if excuse := excuse_of(row.facts):
                self.excuses.append(excuse)
        elif place := self._own_place(row):
            self.moved_from.add(place)
            self.empty.append((row.sequence, row.sequence))
            self._find(Kind.MOVED, row.sequence, place - row.sequence)
        elif self._is_known_after(row, after):
            self._find(Kind.EDITED, row.sequence)
        else:
            self.strangers.append(row.sequence)

    def _judge_link(self, before: Row, row: Row, facts: Facts) -> None:
        """A genuine entry whose predecessor is not the one it was written after."""
        adjoining = row.sequence == before.sequence + 1
        if adjoining and not same(facts.previous, before.mac) and self._is_genuine(before):
            self._find(Kind.UNLINKED, row.sequence)

    def _is_genuine(self, row: Row) -> bool:
        return row is self.start or (row.facts is not None and same(row.mac, entry_mac(self.key, row.facts)))

    def _is_known_after(self, row: Row, after: Row | None) -> bool:
        """The successor, or the head, was written after an entry of this MAC, or of the one it ought to have."""
        if after is not None and after.facts is not None and after.sequence == row.sequence + 1:
            if after.facts.action == CHAIN_CONTINUED:
                return False  # a person went on after whatever stood there
            known = after.facts.previous
        elif self.head is not None and self.head_is_ours and self.head.count == row.sequence:
            known = self.head.head
        else:
            return False
        ought = entry_mac(self.key, row.facts) if row.facts is not None else ""
        return same(known, row.mac) or same(known, ought)

    def _own_place(self, row: Row) -> int | None:
        """The place for which this entry's MAC was made; neighbours mostly moved together."""
        if row.facts is None:
            return None
        for step in self._steps():
            self.tries -= 1
            if row.sequence + step > 0 and self._fits(row, row.facts, row.sequence + step):
                self.offset = step
                return row.sequence + step
        return self._place_after(row, row.facts)

    def _steps(self) -> Iterator[int]:
        yield from (self.offset, 1, -1)
        for step in range(2, SEARCHED):
            if self.tries < 0:
                return
            yield from (step, -step)

    def _fits(self, row: Row, facts: Facts, place: int) -> bool:
        return same(row.mac, entry_mac(self.key, replace(facts, sequence=place)))

    def _place_after(self, row: Row, facts: Facts) -> int | None:
        """Far away: right after the entry that it names as its predecessor."""
        for sequence in self.table.places_of(facts.previous):
            if self._fits(row, facts, sequence + 1):
                return sequence + 1
        return None

    # --- how far it must reach -------------------------------------------------------------------

    def judge_head(self) -> None:
        if self.head is None:
            if self.count:
                self._find(Kind.HEAD_GONE, self.last)
        elif not self.head_is_ours:
            self._find(Kind.HEAD_CHANGED, self.head.count)
        elif self.head.count > self.last:
            self._find_range(Kind.TRUNCATED, self.last + 1, self.head.count)
        elif self.head.count < self.last:
            self._judge_beyond(self.head.count + 1)

    def _judge_beyond(self, first: int) -> None:
        """After the last entry that the head knows: strangers, or a head that was put back."""
        beyond = self.table.page(first - 1)
        if any(self._is_genuine(row) for row in beyond if row.sequence not in self.strangers):
            self._find(Kind.HEAD_CHANGED, first - 1)

    def judge_anchors(self, known: Sequence[Anchor]) -> None:
        lines: dict[str, int] = {}
        for line, anchor in enumerate(known):
            lines.setdefault(anchor.mac, line)
        for line, anchor in enumerate(known):
            if not same(anchor.mac, anchor_mac(self.key, anchor.count, anchor.head, anchor.at)):
                self._find(Kind.ANCHOR_CHANGED, anchor.count)
            elif not any(one.covers(anchor, line, lines) for one in self.excuses):
                self._judge_anchor(anchor)

    def _judge_anchor(self, anchor: Anchor) -> None:
        if self._has_left(anchor):
            return
        if anchor.count > self.last:
            self._find_range(Kind.TRUNCATED, self.last + 1, anchor.count)
        elif anchor.count and not same(self._mac_at(anchor.count), anchor.head):
            self._find(Kind.CONTRADICTED, anchor.count)

    def judge_file(self, must_hold: Anchor, known: Sequence[Anchor]) -> None:
        one = must_hold
        if not same(one.mac, anchor_mac(self.key, one.count, one.head, one.at)):
            self._find(Kind.ANCHOR_CHANGED, one.count)
        elif one not in known:
            self._find(Kind.ANCHORS_CUT, one.count)

    def _has_left(self, anchor: Anchor) -> bool:
        return anchor.count < self.start.sequence or any(a <= anchor.count <= b for a, b in self.left)

    def _mac_at(self, count: int) -> str:
        return self.start.mac if count == self.start.sequence else self.seen.get(count, "")

    def missing(self) -> list[Finding]:
        """Strangers and empty places, now that it is known who was moved where."""
        end = self.head.count if self.head is not None and self.head_is_ours else self.last
        found = [self._stranger(place, end) for place in self.strangers]
        for first, last in self.empty:
            found += [Finding(Kind.DELETED, *hole) for hole in _holes(first, min(last, end), self.moved_from)]
        return found

    def _stranger(self, place: int, end: int) -> Finding:
        taken = place > end or place in self.moved_from
        return Finding(Kind.INSERTED if taken else Kind.REPLACED, place, place)

    def _find(self, kind: Kind, place: int, offset: int = 0) -> None:
        self.findings.append(Finding(kind, place, place, offset))

    def _find_range(self, kind: Kind, first: int, last: int) -> None:
        self.findings.append(Finding(kind, first, last))


def _with_next(rows: Iterator[Row]) -> Iterator[tuple[Row, Row | None]]:
    current = next(rows, None)
    while current is not None:
        following = next(rows, None)
        yield current, following
        current = following


def _holes(first: int, last: int, filled: set[int]) -> Iterator[tuple[int, int]]:
    """What stays of a range without the filled places."""
    for place in sorted(place for place in filled if first <= place <= last):
        if place > first:
            yield first, place - 1
        first = place + 1
    if first <= last:
        yield first, last

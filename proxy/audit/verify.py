"""Was anything done to the chain? Every entry is read again and every trace of tampering gets its name.

An entry is genuine where its MAC fits what it says, its place and its predecessor. One that is not is looked at
more closely: did it keep its MAC (edited), does it fit another place (moved), or did we never write it? Places
that no genuine entry can be found for were deleted, or cut off when they are the last. The head row and the
anchors, which lie outside of the table, say how far the chain must reach.

Entries may be appended meanwhile. What is read is read in pages, so nobody waits for us.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from django.db import DEFAULT_DB_ALIAS

from proxy.audit.anchors import Anchor, read_anchors
from proxy.audit.chain import Facts, anchor_mac, entry_mac, head_mac, same
from proxy.audit.findings import Finding, Kind, merged
from proxy.audit.keyfile import audit_key
from proxy.audit.models import GENESIS, Entry, Head
from proxy.audit.record import HEAD

PAGE: Final = 1000
SEARCHED: Final = 1000
"""How far around its place an entry's own place is looked for."""
TRIES: Final = 200_000
"""How often altogether, so that a table full of forgeries is still judged in seconds."""


@dataclass(frozen=True, slots=True)
class Report:
    """`count` entries were read; the chain is whole if nothing was found."""

    count: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return not self.findings

    def sentence(self) -> str:
        if self.ok:
            return f"The audit chain is whole: {self.count} entries."
        first = self.findings[0].sentence
        return f"The audit chain was tampered with ({len(self.findings)} findings in {self.count} entries): {first}"


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it stands in the table; without facts if somebody made it unreadable."""

    sequence: int
    mac: str
    facts: Facts | None


def verify(anchors: Path | None = None, using: str = DEFAULT_DB_ALIAS) -> Report:
    """Raises KeysMissing without the audit's key."""
    search = _Search(audit_key(), using)
    search.read()
    search.judge_head()
    for anchor in read_anchors(anchors):
        search.judge_anchor(anchor)
    return Report(search.count, merged(search.findings + search.missing()))


class _Search:
    """Reads the rows once; keeps only what is suspicious."""

    def __init__(self, key: bytes, using: str) -> None:
        self.key, self.using = key, using
        self.count, self.last = 0, 0
        self.findings: list[Finding] = []
        self.empty: list[tuple[int, int]] = []
        self.moved_from: set[int] = set()
        self.strangers: list[int] = []
        self.offset, self.tries = 0, TRIES
        self.head: Head | None = None
        self.head_is_ours = False

    # --- reading --------------------------------------------------------------------------------

    def read(self) -> None:
        """Until the table holds nothing more and the head was read after its last entry."""
        before = Row(0, GENESIS, None)
        for row, after in _with_next(self._rows()):
            self._judge(before, row, after)
            before = row
        self.last = before.sequence

    def _rows(self) -> Iterator[Row]:
        last = 0
        while True:
            self._read_head()
            page = self._page(last)
            yield from page
            if not page:
                return
            last = page[-1].sequence

    def _read_head(self) -> None:
        head = Head.objects.using(self.using).filter(pk=HEAD).first()
        self.head = head
        self.head_is_ours = head is not None and same(head.mac, head_mac(self.key, head.count, head.head))

    def _page(self, last: int) -> list[Row]:
        rows = Entry.objects.using(self.using).filter(sequence__gt=last).order_by("sequence")[:PAGE]
        try:
            return [_row(entry) for entry in rows]
        except (ValueError, TypeError, AttributeError):
            numbers = list(rows.values_list("pk", "sequence", "mac"))
        if any(not isinstance(number, int) for _, number, _ in numbers):
            self._find(Kind.INSERTED, 0)  # SQLite lets words stand where numbers belong
        return [self._alone(pk, number, mac) for pk, number, mac in numbers if isinstance(number, int)]

    def _alone(self, pk: int, sequence: int, mac: str) -> Row:
        try:
            return _row(Entry.objects.using(self.using).get(pk=pk))
        except (ValueError, TypeError, AttributeError):
            return Row(sequence, str(mac), None)

    # --- judging --------------------------------------------------------------------------------

    def _judge(self, before: Row, row: Row, after: Row | None) -> None:
        self.count += 1
        if row.sequence > before.sequence + 1:
            self.empty.append((before.sequence + 1, row.sequence - 1))
        if row.facts is not None and same(row.mac, entry_mac(self.key, row.facts)):
            self._judge_link(before, row, row.facts)
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
        return row.sequence == 0 or (row.facts is not None and same(row.mac, entry_mac(self.key, row.facts)))

    def _is_known_after(self, row: Row, after: Row | None) -> bool:
        """The successor, or the head, was written after an entry of this MAC, or of the one it ought to have."""
        if after is not None and after.facts is not None and after.sequence == row.sequence + 1:
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
        named = Entry.objects.using(self.using).filter(mac=facts.previous).values_list("sequence", flat=True)
        for sequence in named[:1]:
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
        rows = Entry.objects.using(self.using).filter(sequence__gte=first).order_by("sequence")
        if any(
            self._is_genuine(_row(entry)) for entry in rows[:PAGE] if entry.sequence not in self.strangers
        ):
            self._find(Kind.HEAD_CHANGED, first - 1)

    def judge_anchor(self, anchor: Anchor) -> None:
        if not same(anchor.mac, anchor_mac(self.key, anchor.count, anchor.head, anchor.at)):
            self._find(Kind.ANCHOR_CHANGED, anchor.count)
        elif anchor.count > self.last:
            self._find_range(Kind.TRUNCATED, self.last + 1, anchor.count)
        elif anchor.count and not self._has(anchor):
            self._find(Kind.CONTRADICTED, anchor.count)

    def _has(self, anchor: Anchor) -> bool:
        return Entry.objects.using(self.using).filter(sequence=anchor.count, mac=anchor.head).exists()

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


def _row(entry: Entry) -> Row:
    facts = Facts(
        sequence=entry.sequence,
        at=entry.at,
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        purpose=entry.purpose,
        detail=entry.detail,
        previous=entry.previous,
        version=entry.version,
    )
    _must_be_what_it_says(entry)
    return Row(entry.sequence, entry.mac, facts)


def _must_be_what_it_says(entry: Entry) -> None:
    """SQLite keeps any type in any column. TypeError or AttributeError: somebody put it there."""
    entry.at.utcoffset()
    for number in (entry.sequence, entry.version):
        int.bit_length(number)
    for text in (entry.actor, entry.action, entry.subject, entry.purpose, entry.previous, entry.mac):
        str.isascii(text)


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

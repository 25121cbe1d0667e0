"""Entries as they stand in the table, where somebody may have written anything.

What cannot be read as an entry of ours is a row without facts. SQLite keeps any type in any column, and one moment or
one object in many spellings, of which we write one: an entry whose time is told in another zone sorts elsewhere and is
left out by who asks for a day, although it says the same.
"""

import json
from dataclasses import dataclass
from datetime import UTC
from typing import Final

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.db.models import F, Func, Q, QuerySet, TextField
from django.db.models.lookups import Exact

from proxy.audit.chain import Facts
from proxy.audit.models import FIELDS, Entry, Head
from proxy.audit.record import HEAD

PAGE: Final = 1000
UNREADABLE: Final = (ValueError, TypeError, AttributeError, OverflowError, RecursionError)


@dataclass(frozen=True, slots=True)
class Row:
    """An entry as it stands in the table; without facts if somebody made it unreadable."""

    sequence: int
    mac: str
    facts: Facts | None


class Table:
    """The entries of one database, to be read."""

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self.using = using
        self.is_sqlite = connections[using].vendor == "sqlite"
        self.unreadable = (*UNREADABLE, DatabaseError) if self.is_sqlite else UNREADABLE

    def page(self, after: int) -> list[Row]:
        """The next ones, in their order; none: there are no more."""
        rows = self._entries().filter(sequence__gt=after).order_by("sequence")[:PAGE]
        try:
            return [row_of(entry) for entry in rows]
        except self.unreadable:
            places = list(rows.values_list("pk", "sequence"))
        return [row for pk, sequence in places if (row := self._alone(pk, sequence)) is not None]

    def has_odd_numbers(self) -> bool:
        """Below 1, none, or what SQLite lets stand where numbers belong: `page` leaves them out."""
        odd = Q(sequence__lt=1) | Q(sequence__isnull=True)
        if self.is_sqlite:
            odd |= ~Q(_is_whole())
        return Entry.objects.using(self.using).filter(odd).exists()

    def has_before(self, sequence: int) -> bool:
        return self._entries().filter(sequence__lt=sequence).exists()

    def head(self) -> Head | None:
        """One that cannot be read is none that we wrote."""
        try:
            found = Head.objects.using(self.using).filter(pk=HEAD).first()
            if found is not None:
                int.bit_length(found.count)
                str.isascii(found.head), str.isascii(found.mac)
        except self.unreadable:
            return Head(id=HEAD, count=0, head="", mac="")
        return found

    def places_of(self, mac: str) -> list[int]:
        return list(self._entries().filter(mac=mac).values_list("sequence", flat=True)[:1])

    def _entries(self) -> "QuerySet[Entry]":
        rows = Entry.objects.using(self.using)
        if not self.is_sqlite:
            return rows
        return rows.filter(_is_whole()).annotate(at_said=_said("at"), detail_said=_said("detail"))

    def _alone(self, pk: int, sequence: int) -> Row | None:
        """None: it has left meanwhile."""
        try:
            entry = self._entries().filter(pk=pk).first()
            return None if entry is None else row_of(entry)
        except self.unreadable:
            return Row(sequence, self._mac(pk), None)

    def _mac(self, pk: int) -> str:
        try:
            return str(Entry.objects.using(self.using).filter(pk=pk).values_list("mac", flat=True).get())
        except (*self.unreadable, Entry.DoesNotExist):
            return ""


def row_of(entry: Entry) -> Row:
    """Raises one of UNREADABLE where what stands there is nothing that we write."""
    _must_be_what_it_says(entry)
    _must_be_spelled_as_ours(entry)
    return Row(entry.sequence, entry.mac, facts_of(entry))


def facts_of(entry: Entry) -> Facts:
    return Facts(**{name: getattr(entry, name) for name in FIELDS[:-1]})


def exported_row(entry: Entry) -> Row:
    """Of a file, which says what somebody wrote there."""
    try:
        return row_of(entry)
    except UNREADABLE:
        return Row(entry.sequence, entry.mac, None)


def _must_be_what_it_says(entry: Entry) -> None:
    """SQLite keeps any type in any column, PostgreSQL times that Python does not know."""
    entry.at.astimezone(UTC)
    for number in (entry.sequence, entry.version):
        int.bit_length(number)
    for text in (entry.actor, entry.action, entry.subject, entry.purpose, entry.previous, entry.mac):
        str.isascii(text)


def _must_be_spelled_as_ours(entry: Entry) -> None:
    detail = json.dumps(entry.detail)  # what is nested too deeply for us ends here
    at = str(entry.at.astimezone(UTC).replace(tzinfo=None))
    for said, ours in (("at_said", at), ("detail_said", detail)):
        if getattr(entry, said, None) not in {None, _quoted(ours)}:
            raise ValueError("not as we write it")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _said(column: str) -> Func:
    """The text of a column as SQLite has it, quoted; of anything else, something else."""
    return Func(F(column), function="quote", output_field=TextField())


def _is_whole() -> Exact:
    return Exact(Func(F("sequence"), function="typeof", output_field=TextField()), "integer")

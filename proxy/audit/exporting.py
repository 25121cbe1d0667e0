"""Entries in a file, for whoever reads them elsewhere: JSON lines (with all that proves them), CSV, DICOM messages."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from io import StringIO
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from proxy.audit.leaving import PAGE, line_of
from proxy.audit.messages import message
from proxy.audit.models import FIELDS, Entry

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""Some spreadsheets take the wide ones of East Asian keyboards for the same."""


def between(since: datetime | None, until: datetime | None) -> "QuerySet[Entry]":
    """Made at or after `since` and before `until`."""
    rows = Entry.objects.order_by("sequence")
    rows = rows.filter(at__gte=since) if since else rows
    return rows.filter(at__lt=until) if until else rows


def paged(rows: "QuerySet[Entry]") -> Iterator[Entry]:
    """One page after the other, so that a long export keeps nobody waiting."""
    last = 0
    while page := list(rows.filter(sequence__gt=last).order_by("sequence")[:PAGE]):
        yield from page
        last = page[-1].sequence


def as_json(entries: Iterable[Entry]) -> Iterator[str]:
    return (line_of(entry) for entry in entries)


def as_csv(entries: Iterable[Entry]) -> Iterator[str]:
    """What a spreadsheet would take for a formula gets an apostrophe in front."""
    yield _row(FIELDS)
    for entry in entries:
        said = {name: getattr(entry, name) for name in FIELDS}
        said |= {"at": entry.at.isoformat(), "detail": json.dumps(entry.detail)}
        yield _row([_harmless(str(said[name])) for name in FIELDS])


def as_dicom(entries: Iterable[Entry]) -> Iterator[str]:
    """One audit message (PS3.15 A.5) in each line."""
    return (
        message(entry, settings.DICOM_AE_TITLE).decode("utf-8").replace("\n", "") + "\n" for entry in entries
    )


FORMATS: Final[dict[str, Callable[[Iterable[Entry]], Iterator[str]]]] = {
    "json": as_json,
    "csv": as_csv,
    "dicom": as_dicom,
}


def _row(values: Iterable[str]) -> str:
    line = StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text

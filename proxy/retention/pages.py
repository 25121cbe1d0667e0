"""Rows by number, a page at a time: no long read keeps a writer waiting, and no table is in memory."""

from collections.abc import Iterator
from typing import Final, TypeVar

from django.db.models import Model, QuerySet

PAGE: Final = 200

Row = TypeVar("Row", bound=Model)


def paged(rows: "QuerySet[Row]") -> Iterator[Row]:
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:PAGE]):
        yield from page
        last = page[-1].pk

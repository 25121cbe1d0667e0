"""A checked query, run: what of the index may match is read, looked at again, and given a page at a time.

No cursor stays open while a peer reads its answers: a few rows are looked up and answered at once, then the numbers of
all others are collected, at most as many as one query may have, and their rows are fetched by page.
"""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

from django.db.models import Exists, OuterRef, Q, QuerySet

from proxy.retrieval.query import narrowing, rows
from proxy.retrieval.query.attributes import BY_KEYWORD, STUDY, Attribute
from proxy.retrieval.query.counting import computed, series_in_view
from proxy.retrieval.query.matching import Matcher, Moments
from proxy.retrieval.query.reading import Checked
from proxy.retrieval.query.rows import PATHS, Row
from proxy.retrieval.visible import of_revision
from proxy.studies.models import Instance

T = TypeVar("T")
Rows = Generator[Row, None, None]

FIRST: Final = 20
PAGE: Final = 200


class Sight(Protocol):
    """How whoever asks sees the index."""

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        """Keeps every row whose value, as it is seen, may match."""
        ...

    def joint(self, moments: Moments, column: str) -> Q: ...

    def seen(self, found: Sequence[Row]) -> Iterable[Row]:
        """Their values as they are seen; of what must not be seen, nothing."""
        ...

    def shown(self, found: Sequence[Row]) -> None:
        """These are about to be answered."""


class Pseudonymous:
    """The index as it is."""

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        return narrowing.pseudonyms(matcher, column)

    def joint(self, moments: Moments, column: str) -> Q:
        return narrowing.moments(moments, column)

    def seen(self, found: Sequence[Row]) -> Iterable[Row]:
        return found

    def shown(self, found: Sequence[Row]) -> None:
        """It names nobody."""


@dataclass(frozen=True, slots=True, repr=False)
class Search:
    checked: Checked
    projects: frozenset[int]
    sight: Sight

    def pages(self, most: int) -> Iterator[list[Row]]:
        """Not more than `most` rows in all."""
        few = min(FIRST, most)
        first = self._taken(few)
        yield self._page(first)
        if len(first) < few or most <= FIRST:
            return
        for pks in _batches(iter(self._others(most, {row.pk for row in first}))):
            with closing(self._fetched(self._in_view().filter(pk__in=pks))) as found:
                page = list(found)
            yield self._page(page)

    def _taken(self, most: int) -> list[Row]:
        """Closed before anything else is asked of the database: PostgreSQL reads in a transaction."""
        with closing(self._matching()) as found:
            return list(islice(found, most))

    def _others(self, most: int, given: set[int]) -> list[int]:
        with closing(self._matching()) as found:
            return [row.pk for row in islice(found, most) if row.pk not in given][: most - len(given)]

    def _page(self, page: list[Row]) -> list[Row]:
        computed(page, self.checked.wanted)
        late = {key: one for key, one in self.checked.matchers.items() if BY_KEYWORD[key].is_computed}
        page = [row for row in page if _match(late, row)]
        self.sight.shown(page)
        return page

    def _matching(self) -> Rows:
        return self._fetched(self._in_view().filter(self._condition()))

    def _in_view(self) -> "QuerySet[Any]":
        return rows.in_view(self.checked.level, self.projects)

    def _fetched(self, found: "QuerySet[Any]") -> Rows:
        early = {key: one for key, one in self.checked.matchers.items() if not BY_KEYWORD[key].is_computed}
        with closing(rows.fetched(self.checked.level, found, self.checked.wanted)) as stored:
            for some in _batches(stored):
                for row in self.sight.seen(some):
                    if _match(early, row) and self._is_then(row):
                        yield row

    def _is_then(self, row: Row) -> bool:
        return all(one.covers(row.values[date], row.values[time]) for date, time, one in self.checked.joint)

    # --- what the database is asked -----------------------------------------------------------------

    def _condition(self) -> Q:
        condition = Q()
        for keyword, matcher in self.checked.matchers.items():
            condition &= self._of_key(BY_KEYWORD[keyword], matcher)
        for date, _, moments in self.checked.joint:
            condition &= self.sight.joint(moments, self._column(date))
        return condition

    def _of_key(self, attribute: Attribute, matcher: Matcher) -> Q:
        if not attribute.is_computed:
            column = rows.column(self.checked.level, attribute)
            return self.sight.condition(attribute, matcher, column)
        study = OuterRef(f"{PATHS[self.checked.level][STUDY]}pk")
        if attribute.keyword == "ModalitiesInStudy":
            below: Any = series_in_view().filter(narrowing.narrowed(matcher, "modality"), study=study)
        else:
            below = Instance.objects.filter(
                of_revision(), narrowing.narrowed(matcher, "sop_class"), series__study=study
            )
        return Q(Exists(below))

    def _column(self, keyword: str) -> str:
        return rows.column(self.checked.level, BY_KEYWORD[keyword])


def _match(matchers: "dict[str, Matcher]", row: Row) -> bool:
    return all(one.matches(row.values[key]) for key, one in matchers.items())


def _batches(found: Iterator[T]) -> Iterator[list[T]]:
    while some := list(islice(found, PAGE)):
        yield some

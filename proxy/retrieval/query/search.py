"""A checked query, run: what of the index may match is read, looked at again, and given a page at a time.

No cursor stays open while a peer reads its answers: a few rows are looked up and answered at once, then the numbers of
all others are collected, at most as many as one query may have, and their rows are fetched by page.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
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
Batches = Generator[list[Row], None, None]

PAGE: Final = 200


class Sight(Protocol):
    """How whoever asks sees the index. `first`: so many rows are looked at before the first answer leaves."""

    @property
    def first(self) -> int: ...

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        """Keeps every row whose value, as it is seen, may match."""
        ...

    def settles(self, keyword: str, matcher: Matcher) -> bool:
        """Whether the condition is the whole answer."""
        ...

    def joint(self, moments: Moments, column: str) -> Q: ...

    def in_sight(self, level: str) -> Q:
        """Which rows can be seen at all."""
        ...

    def seen(self, level: str, found: Sequence[Row], keywords: Collection[str]) -> Iterable[Row]:
        """With the values of these keywords as they are seen; without what cannot be seen."""
        ...

    def shown(self, level: str, found: Sequence[Row]) -> list[Row]:
        """Those of these that are to be answered, which they are next."""
        ...

    def over(self) -> None:
        """Nothing more is asked."""


class Pseudonymous:
    """The index as it is."""

    first: Final = PAGE

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        if attribute.keyword == "PatientName":
            return narrowing.pseudonyms(matcher, column)
        return narrowing.narrowed(matcher, column)

    def settles(self, keyword: str, matcher: Matcher) -> bool:
        return False

    def joint(self, moments: Moments, column: str) -> Q:
        return narrowing.moments(moments, column)

    def in_sight(self, level: str) -> Q:
        return Q()

    def seen(self, level: str, found: Sequence[Row], keywords: Collection[str]) -> Iterable[Row]:
        return found

    def shown(self, level: str, found: Sequence[Row]) -> list[Row]:
        return list(found)

    def over(self) -> None:
        """Nobody was looked at."""


@dataclass(frozen=True, slots=True, repr=False)
class Search:
    checked: Checked
    projects: frozenset[int]
    sight: Sight

    def pages(self, most: int) -> Iterator[list[Row]]:
        """Not more than `most` rows in all. Some pages are empty: they say that it is still being looked."""
        few = min(self.sight.first, most)
        first = yield from self._taken(few)
        yield self._page(first)
        if len(first) < few or most <= few:
            return
        given = {row.pk for row in first}
        others = yield from self._numbers(most, given)
        for pks in _batches(iter(others[: most - len(given)]), PAGE):
            with closing(self._fetched(self._in_view().filter(pk__in=pks))) as found:
                page = [row for some in found for row in some]
            yield self._page(page)

    def _taken(self, most: int) -> Generator[list[Row], None, list[Row]]:
        """Closed before anything else is asked of the database: PostgreSQL reads in a transaction."""
        taken: list[Row] = []
        with closing(self._matching()) as found:
            for some in found:
                taken += some
                if len(taken) >= most:
                    break
                yield []
        return taken[:most]

    def _numbers(self, most: int, given: set[int]) -> Generator[list[Row], None, list[int]]:
        taken: list[int] = []
        with closing(self._matching()) as found:
            for some in found:
                taken += [row.pk for row in some if row.pk not in given]
                if len(taken) + len(given) >= most:
                    break
                yield []
        return taken

    def _page(self, found: list[Row]) -> list[Row]:
        level, wanted = self.checked.level, self.checked.wanted
        page = list(self.sight.seen(level, found, {one.keyword for one in wanted}))
        computed(page, wanted)
        late = {key: one for key, one in self.checked.matchers.items() if BY_KEYWORD[key].is_computed}
        return self.sight.shown(level, [row for row in page if _match(late, row)])

    def _matching(self) -> Batches:
        return self._fetched(self._in_view().filter(self._condition()))

    def _in_view(self) -> "QuerySet[Any]":
        in_sight = self.sight.in_sight(self.checked.level)
        return rows.in_view(self.checked.level, self.projects).filter(in_sight)

    def _fetched(self, found: "QuerySet[Any]") -> Batches:
        """A batch at a time; of some nothing matches."""
        level, early = self.checked.level, self._early()
        keywords = {*early, *(key for date, time, _ in self.checked.joint for key in (date, time))}
        with closing(rows.fetched(level, found, self.checked.wanted)) as stored:
            for some in _batches(stored, self.sight.first):
                seen = self.sight.seen(level, some, keywords) if keywords else some
                yield [row for row in seen if _match(early, row) and self._is_then(row)]

    def _early(self) -> dict[str, Matcher]:
        """Those to be looked at again before anything is counted."""
        return {
            key: one
            for key, one in self.checked.matchers.items()
            if not BY_KEYWORD[key].is_computed and not self.sight.settles(key, one)
        }

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


def _batches(found: Iterator[T], first: int) -> Iterator[list[T]]:
    size = first
    while some := list(islice(found, size)):
        yield some
        size = PAGE

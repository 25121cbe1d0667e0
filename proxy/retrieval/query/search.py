"""A checked query, run: what of the index may match is read, looked at again, and given a page at a time.

No cursor stays open while a peer reads its answers: a few rows are looked up and answered at once, then the numbers of
all others are collected, at most as many as one query may have, and their rows are fetched by page.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, Protocol, TypeVar

from django.db.models import Exists, OuterRef, Q

from proxy.retrieval.query import narrowing, rows
from proxy.retrieval.query.attributes import BY_KEYWORD, STUDY, Attribute
from proxy.retrieval.query.counting import computed, series_in_view
from proxy.retrieval.query.matching import Matcher, Moments
from proxy.retrieval.query.reading import Checked
from proxy.retrieval.query.ready import Below
from proxy.retrieval.query.rows import PATHS, Row, Sieve
from proxy.retrieval.visible import of_revision
from proxy.studies.models import Instance

T = TypeVar("T")
Batches = Generator[list[Row], None, None]

FIRST: Final = 20
"""So many rows are looked at before the first answer leaves: they lie apart on the disk, and each may open a seal."""
PAGE: Final = 200


class Sight(Protocol):
    """How whoever asks sees the index."""

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        """Keeps every row whose value, as it is seen, may match."""
        ...

    def settles(self, keyword: str, matcher: Matcher) -> bool:
        """Whether the condition is the whole answer."""
        ...

    def joint(self, moments: Moments, column: str) -> Q: ...

    @staticmethod
    def in_sight(level: str) -> Q:
        """Which rows can be seen at all; the same for every query of this view."""
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

    def condition(self, attribute: Attribute, matcher: Matcher, column: str) -> Q:
        if attribute.keyword == "PatientName":
            return narrowing.pseudonyms(matcher, column)
        return narrowing.narrowed(matcher, column)

    def settles(self, keyword: str, matcher: Matcher) -> bool:
        return False

    def joint(self, moments: Moments, column: str) -> Q:
        return narrowing.moments(moments, column)

    @staticmethod
    def in_sight(level: str) -> Q:
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
        few = min(FIRST, most)
        first, is_all = self._few(few)
        if not is_all and len(first) < few:
            first = yield from self._taken(few)
        yield self._page(first)
        if is_all or len(first) < few or most <= few:
            return
        given = {row.pk for row in first}
        others = yield from self._numbers(most, given)
        for pks in _batches(iter(others[: most - len(given)]), PAGE):
            page = self._sieve.first(Q(pk__among=pks), self.checked.wanted, PAGE)
            yield self._page(list(self._matching(page)))

    def window(self, skip: int, most: int) -> tuple[list[int], bool]:
        """Numbers of what matches, newest first: `most` of them behind the first `skip`, and whether there are more.

        The same question finds them in the same order, as long as nothing comes or goes (PS3.18 8.3.4.4.1).
        """
        taken: list[int] = []
        sieve = replace(self._sieve, newest_first=True)
        with closing(self._batches(self._looked_at(), sieve)) as found:
            for some in found:
                taken += [row.pk for row in some]
                if len(taken) > skip + most:
                    break
        return taken[skip : skip + most], len(taken) > skip + most

    def of(self, numbers: Sequence[int]) -> Iterator[list[Row]]:
        """What `window` found, in its order, page by page."""
        for pks in _batches(iter(numbers), PAGE):
            places = {pk: place for place, pk in enumerate(pks)}
            page = self._sieve.first(Q(pk__among=pks), self.checked.wanted, PAGE)
            yield self._page(sorted(self._matching(page), key=lambda row: places[row.pk]))

    def _looked_at(self) -> list[Attribute]:
        matched = self._early().keys() | self._of_joint()
        return [one for one in self.checked.wanted if one.keyword in matched]

    def _few(self, most: int) -> tuple[list[Row], bool]:
        """What matches of the first rows that may match, and whether there are no others."""
        found = self._sieve.first(self._condition(), self.checked.wanted, most)
        return list(self._matching(found)), len(found) < most

    def _taken(self, most: int) -> Generator[list[Row], None, list[Row]]:
        """Closed before anything else is asked of the database: PostgreSQL reads in a transaction."""
        taken: list[Row] = []
        with closing(self._batches(self.checked.wanted)) as found:
            for some in found:
                taken += some
                if len(taken) >= most:
                    break
                yield []
        return taken[:most]

    def _numbers(self, most: int, given: set[int]) -> Generator[list[Row], None, list[int]]:
        taken: list[int] = []
        with closing(self._batches(self._looked_at())) as found:
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

    def _batches(self, wanted: Sequence[Attribute], sieve: Sieve | None = None) -> Batches:
        """Of all rows what matches, a batch at a time; of some nothing does."""
        with closing((sieve or self._sieve).stream(self._condition(), wanted)) as stored:
            for some in _batches(stored, FIRST):
                yield list(self._matching(some))

    def _matching(self, found: Sequence[Row]) -> Iterator[Row]:
        """What the database found, looked at again."""
        early = self._early()
        if keywords := early.keys() | self._of_joint():
            found = list(self.sight.seen(self.checked.level, found, keywords))
        return (row for row in found if _match(early, row) and self._is_then(row))

    @property
    def _sieve(self) -> Sieve:
        return Sieve(self.checked.level, self.projects, self.sight.in_sight)

    def _early(self) -> dict[str, Matcher]:
        """Those to be looked at again before anything is counted."""
        return {
            key: one
            for key, one in self.checked.matchers.items()
            if not BY_KEYWORD[key].is_computed and not self.sight.settles(key, one)
        }

    def _of_joint(self) -> set[str]:
        return {key for date, time, _ in self.checked.joint for key in (date, time)}

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
        having, name = _HAVING[attribute.keyword]
        path = PATHS[self.checked.level][STUDY]
        return Q(Below(having, (path,), narrowing.narrowed(matcher, name)))

    def _column(self, keyword: str) -> str:
        return rows.column(self.checked.level, BY_KEYWORD[keyword])


def _having_series(path: str, where: Q) -> Q:
    return Q(Exists(series_in_view().filter(where, study=OuterRef(f"{path}pk"))))


def _having_images(path: str, where: Q) -> Q:
    return Q(Exists(Instance.objects.filter(of_revision(), where, series__study=OuterRef(f"{path}pk"))))


_HAVING: Final = {
    "ModalitiesInStudy": (_having_series, "modality"),
    "SOPClassesInStudy": (_having_images, "sop_class"),
}


def _match(matchers: "dict[str, Matcher]", row: Row) -> bool:
    return all(one.matches(row.values[key]) for key, one in matchers.items())


def _batches(found: Iterator[T], first: int) -> Iterator[list[T]]:
    size = first
    while some := list(islice(found, size)):
        yield some
        size = PAGE

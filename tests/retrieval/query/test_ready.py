"""A statement that was kept ready is the one that Django would make."""

import itertools
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.retrieval.query import ready
from proxy.retrieval.query.attributes import LEVELS, STUDY
from proxy.retrieval.query.identified import Identified
from proxy.retrieval.query.ready import Below
from proxy.retrieval.query.rows import PATHS, _chosen
from proxy.retrieval.query.search import Pseudonymous, _having_images, _having_series
from proxy.studies.models import Study
from tests.retrieval.query import filled

COLUMNS = ("date", "description", "accession", "uid")
WAYS = ("", "__gte", "__lt", "__contains", "__startswith")
TEXTS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)
AWKWARD = ("100%", "a_b", "back\\slash", "'quoted'", '"', "\x1f0\x1f", "%s", "腕")


def _conditions(path: str) -> st.SearchStrategy[Q]:
    text = st.one_of(TEXTS, st.sampled_from(AWKWARD))
    one = st.builds(
        lambda column, way, value: Q(**{f"{path}{column}{way}": value}),
        st.sampled_from(COLUMNS),
        st.sampled_from(WAYS),
        text,
    )
    listed = st.builds(
        lambda column, values: Q(**{f"{path}{column}__among": values}),
        st.sampled_from(COLUMNS),
        st.lists(text, max_size=4),
    )
    below = st.one_of(
        st.builds(lambda value: Q(Below(_having_series, (path,), Q(modality=value))), text),
        st.builds(lambda value: Q(Below(_having_images, (path,), Q(sop_class__among=[value]))), text),
    )
    return st.recursive(
        st.one_of(one, listed, below, st.just(Q())),
        lambda some: st.one_of(
            st.builds(lambda a, b: a & b, some, some),
            st.builds(lambda a, b: a | b, some, some),
            st.builds(lambda a: ~a, some),
        ),
        max_leaves=6,
    )


@st.composite
def _asked(draw: st.DrawFn) -> tuple[tuple[Any, ...], Q]:
    level = draw(st.sampled_from(LEVELS[1:]))
    projects = draw(st.frozensets(st.integers(1, 3), min_size=1))
    in_sight = draw(st.sampled_from([Pseudonymous.in_sight, Identified.in_sight]))
    path = PATHS[level][STUDY]
    columns = tuple(path + one for one in draw(st.lists(st.sampled_from(COLUMNS), unique=True)))
    return (level, projects, in_sight, draw(st.booleans()), columns), draw(_conditions(path))


def by_django(fixed: tuple[Any, ...], where: Q) -> tuple[str, list[Any]]:
    made: QuerySet[Any] = _chosen(*(*fixed, ready.resolved(where)))
    text, values = made.query.sql_with_params()
    return text, list(values)


@settings(max_examples=200, deadline=None)
@given(asked=_asked(), other=TEXTS)
def test_it_is_what_django_says_whatever_is_asked(asked: tuple[tuple[Any, ...], Q], other: str) -> None:
    fixed, where = asked
    assert ready.statement(_chosen, fixed, where) == by_django(fixed, where)
    changed = _changed(where, other)
    known = ready._statement.cache_info().misses
    assert ready.statement(_chosen, fixed, changed) == by_django(fixed, changed)
    assert ready._statement.cache_info().misses == known  # the same shape: nothing was made anew


def _changed(where: Any, value: str) -> Any:
    """The same shape with other values."""
    if isinstance(where, Q):
        return ready._q(where.connector, where.negated, [_changed(one, value) for one in where.children])
    if isinstance(where, Below):
        return Below(where.made, where.fixed, _changed(where.where, value))
    return where[0], [value, value] if where[0].endswith("__among") else value


def _studies(column: str, where: Q) -> "QuerySet[Any]":
    return Study.objects.filter(where).order_by(column).values_list(column)


def test_awkward_values_are_values(stock: list[filled.Image]) -> None:
    for value, way in itertools.product(AWKWARD, ["", "__contains", "__startswith", "__among"]):
        Study.objects.filter(uid="1.2.1.0").update(description=value)
        where = Q(**{f"description{way}": [value] if way == "__among" else value})
        assert ready.rows(_studies, ("uid",), where) == [("1.2.1.0",)], where
        assert list(ready.stream(_studies, ("uid",), where)) == [("1.2.1.0",)], where


def test_what_has_no_shape_is_asked_all_the_same(stock: list[filled.Image]) -> None:
    before = ready._statement.cache_info().currsize
    where = Q(held_at=None) & Q(uid__startswith="1.2.1.")
    assert len(ready.rows(_studies, ("uid",), where)) == 6
    assert ready.rows(_studies, ("uid",), where, 2) == [("1.2.1.0",), ("1.2.1.1",)]
    assert ready._statement.cache_info().currsize == before


def test_what_can_match_nothing_is_not_asked(stock: list[filled.Image]) -> None:
    nothing = Q(uid__in=[])
    assert ready.rows(_studies, ("uid",), nothing) == list(ready.stream(_studies, ("uid",), nothing)) == []


def test_a_list_may_be_empty_or_long(stock: list[filled.Image]) -> None:
    every = [one.uid for one in Study.objects.order_by("uid")]
    assert ready.rows(_studies, ("uid",), Q(uid__among=[])) == []
    many = [*every, *(f"1.9.{number}" for number in range(10_000))]
    assert [uid for (uid,) in ready.rows(_studies, ("uid",), Q(uid__among=many))] == every
    keys = list(Study.objects.values_list("pk", flat=True))
    assert len(ready.rows(_studies, ("uid",), Q(pk__among=keys))) == len(every)


def test_so_many_shapes_are_kept_and_no_more(stock: list[filled.Image]) -> None:
    for number in range(600):
        ready.statement(_studies, ("uid",), Q(*[("uid", "1")] * (number % 20 + 1), _connector=Q.OR))
        ready.statement(_studies, ("uid",), Q(uid__among=["1"] * number))
    info = ready._statement.cache_info()
    assert info.maxsize is not None
    assert info.currsize <= info.maxsize


def test_a_stream_that_is_left_leaves_nothing_open(stock: list[filled.Image]) -> None:
    some = ready.stream(_studies, ("uid",), Q())
    assert next(some) == ("1.2.1.0",)
    some.close()
    assert not connection.in_atomic_block

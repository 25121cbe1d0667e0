"""Lists: a page at a time, filtered by what a door knows; what it does not know is refused and never quoted."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from proxy.studies.models import Study
from tests.scene import NOW, Scene


@pytest.fixture
def many(scene: Scene) -> list[int]:
    """Seven studies; their numbers, newest first."""
    for number in range(2, 8):
        Study.objects.create(
            project=scene.study.project,
            uid=f"2.25.{number}",
            patient=f"ANON-{number}",
            received_at=NOW + timedelta(days=number),
            held_at=NOW if number == 3 else None,
        )
    return list(Study.objects.order_by("-pk").values_list("pk", flat=True))


def found(client: Client, query: str = "") -> Any:
    answer = client.get(f"/v1/studies{query}")
    assert answer.status_code == 200, answer.json()
    return answer.json()


def numbers(said: Any) -> list[int]:
    return [one["number"] for one in said["results"]]


def test_pages_follow_each_other_and_the_last_one_says_so(chief: Client, many: list[int]) -> None:
    seen: list[int] = []
    query = "?limit=3"
    for _ in range(3):
        said = found(chief, query)
        seen += numbers(said)
        query = f"?limit=3&cursor={said['next']}"
    assert seen == many and said["next"] is None


def test_what_comes_meanwhile_moves_nothing(chief: Client, many: list[int], scene: Scene) -> None:
    first = found(chief, "?limit=3")
    Study.objects.create(project=scene.study.project, uid="2.25.99", patient="ANON-99", received_at=NOW)
    second = found(chief, f"?limit=10&cursor={first['next']}")
    assert numbers(first) + numbers(second) == many


def test_a_page_that_is_exactly_full_is_the_last(chief: Client, many: list[int]) -> None:
    assert found(chief, "?limit=7")["next"] is None and found(chief, "?limit=6")["next"] == many[5]


@pytest.mark.parametrize(
    ("query", "uids"),
    [
        ("?uid=2.25.5", ["2.25.5"]),
        ("?uid=1.2.840.1", []),
        ("?patient=ANON-4", ["2.25.4"]),
        ("?held=true", ["2.25.3"]),
        ("?held=false&limit=2", ["2.25.7", "2.25.6"]),
        ("?received_since=2026-03-07T12:00:00Z", ["2.25.7", "2.25.6"]),
        ("?received_before=2026-03-02T12:00:00Z", ["2.25.1"]),
        ("?project=default&patient=ANON-2", ["2.25.2"]),
        ("?project=other", []),
    ],
)
def test_filters_narrow(chief: Client, many: list[int], query: str, uids: list[str]) -> None:
    assert [one["uid"] for one in found(chief, query)["results"]] == uids


WRONG = [
    "?limit=0", "?limit=201", "?limit=x", "?limit=", "?cursor=0", "?cursor=-1", "?cursor=x",
    "?cursor=9223372036854775808", "?held=perhaps", "?received_since=yesterday", "?received_since=",
    "?received_since=0001-01-01T00:00:00%2B14:00", "?patient=" + "A" * 65, "?patient=A%00B", "?uid=%FF%FE%00",
    "?SMITH=1", "?limit=5&DOE^JOHN", "?format=json",
]  # fmt: skip


def test_what_cannot_be_meant_is_refused_and_not_quoted(chief: Client, scene: Scene) -> None:
    for query in WRONG:
        answer = chief.get(f"/v1/studies{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), query
        assert not any(word in answer.content for word in (b"SMITH", b"DOE", b"yesterday", b"perhaps"))


def test_a_limit_of_many_costs_no_more_questions(
    chief: Client, many: list[int], django_assert_max_num_queries: Any
) -> None:
    chief.get("/v1/studies")  # the token's first use
    with django_assert_max_num_queries(5):
        found(chief, "?limit=200")

"""`/v1/audit`: marks, newest first, and whether anybody has done something to them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from proxy.api.v1 import audit
from proxy.audit.models import Entry
from proxy.audit.record import record
from tests.scene import NOW, Scene
from tests.unguarded import unguard


@pytest.fixture
def marks(scene: Scene, chief: Client) -> Client:
    chief.get("/v1/nodes")  # its first use of the day has left its mark
    for number in range(4):
        at = NOW + timedelta(days=number)
        record(
            "identity.viewed", actor="ada", subject=f"ANON-{number}", purpose="trial", detail={"n": 1}, at=at
        )
    return chief


def subjects(client: Client, query: str) -> list[str]:
    answer = client.get(f"/v1/audit{query}")
    assert answer.status_code == 200, answer.json()
    return [one["subject"] for one in answer.json()["results"]]


def test_it_is_read_newest_first(marks: Client) -> None:
    assert subjects(marks, "?limit=2") == ["ANON-3", "ANON-2"]
    said = marks.get("/v1/audit?limit=2").json()
    assert subjects(marks, f"?limit=2&cursor={said['next']}") == ["ANON-1", "ANON-0"]
    first = said["results"][0]
    assert (first["actor"], first["purpose"], first["detail"]) == ("ada", "trial", {"n": 1})
    assert first["mac"] == Entry.objects.get(sequence=first["number"]).mac


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?subject=ANON-1", ["ANON-1"]),
        ("?actor=ada&limit=1", ["ANON-3"]),
        ("?actor=nobody", []),
        ("?action=identity.viewed&since=2026-03-03T00:00:00Z&before=2026-03-04T00:00:00Z", ["ANON-2"]),
    ],
)
def test_it_is_filtered_by_time_act_and_actor(marks: Client, query: str, found: list[str]) -> None:
    assert subjects(marks, query) == found


def test_a_whole_chain_is_called_whole(marks: Client) -> None:
    said = marks.get("/v1/audit/verify").json()
    assert said == {"is_whole": True, "entries": Entry.objects.count(), "findings": []}


def test_what_was_done_to_it_is_named(marks: Client) -> None:
    unguard()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_entry SET actor = 'nobody' WHERE subject = 'ANON-2'")
    said = marks.get("/v1/audit/verify").json()
    assert said["is_whole"] is False and len(said["findings"]) == 1
    assert "changed after being written" in said["findings"][0]


def test_it_is_verified_for_one_at_a_time(marks: Client) -> None:
    with audit.verdict._reading:
        answer = marks.get("/v1/audit/verify")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "busy", "5")

"""What workers ask every second costs the same after years: none of it walks through all that was ever delivered.

`make bench-claiming` measures it with a million deliveries; here the database says how it would find them.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from proxy import sql
from proxy.deliveries import queue
from proxy.deliveries.outcomes import Delivered
from proxy.studies import completeness, quiet
from tests.deliveries.builders import NOW, a_waiting_delivery

pytestmark = pytest.mark.django_db

SMALL = ("revision_to_release", "revision_to_open", "count_to_ask")  # indexes of what is under way
LARGE = ("deliveries_delivery", "studies_revision", "U0", "U1")


def reads(step: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the step asks of the database, by the ORM or by `sql.ask`, with the values in it."""
    said: list[str] = []
    really = sql.ask

    def listening(statement: str, *values: Any) -> list[sql.Row]:
        said.append(
            statement % tuple(f"'{value}'" if not isinstance(value, int) else value for value in values)
        )
        return really(statement, *values)

    monkeypatch.setattr(sql, "ask", listening)
    with CaptureQueriesContext(connection) as asked:
        step()
    return [one for one in (*said, *(one["sql"] for one in asked.captured_queries)) if _is_read(one)]


def steps_of(statement: str) -> list[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SET LOCAL enable_seqscan = off"
            )  # it would read a small table whole, whatever there is
        cursor.execute(
            f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {statement}"
        )
        return [str(row[-1]).strip() for row in cursor.fetchall()]


def walks(step: str) -> bool:
    """Through a whole table, or a whole index of one."""
    words = step.removeprefix("->").split()
    if any(index in words for index in SMALL):
        return False
    if connection.vendor == "postgresql":
        return words[:2] == ["Seq", "Scan"] and any(name in words for name in LARGE)
    return words[0] == "SCAN" and words[1] in LARGE


ASKED: dict[str, Callable[[], object]] = {
    "claim": lambda: queue.claim(NOW, "t"),
    "is there something to claim": lambda: queue.is_due(NOW),
    "rescue": lambda: queue.rescue(NOW),
    "what went quiet": lambda: quiet.close_quiet(NOW),
    "what may go": quiet.awaiting_release,
    "what has no delivery yet": quiet.awaiting_deliveries,
    "whose PACS is to be asked from now on": lambda: completeness.begin(NOW),
    "whose PACS is to be asked now": lambda: completeness.due(NOW),
    "whose PACS nobody asked": lambda: completeness.give_up(NOW),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_is_asked_every_second_walks_through_nothing_that_is_over(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_waiting_delivery()
    found = [step for one in reads(ASKED[name], monkeypatch) for step in steps_of(one)]
    assert found and not [step for step in found if walks(step)]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's plans depend on how much there is")
@pytest.mark.parametrize("name", ["claim", "is there something to claim"])
def test_what_waits_for_another_try_is_not_walked_through_either(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination may have thousands that wait for their next try, or for a commitment."""
    a_waiting_delivery()
    found = [step for one in reads(ASKED[name], monkeypatch) for step in steps_of(one)]
    turns = [step for step in found if "delivery_in_turn" in step]
    assert len(turns) >= 3
    assert all("(destination_id=? AND priority=? AND next_try_at<?)" in step for step in turns)


def test_a_finished_delivery_is_closed_by_its_keys() -> None:
    a_waiting_delivery()
    claim = queue.claim(NOW, "t")
    assert claim is not None
    with CaptureQueriesContext(connection) as asked:
        assert queue.progress(claim, range(3)) and queue.finish(claim, Delivered(), NOW)
    found = [step for one in asked.captured_queries if _is_read(one["sql"]) for step in steps_of(one["sql"])]
    assert found and not [step for step in found if walks(step)]


def _is_read(statement: str) -> bool:
    return statement.startswith(("SELECT", "UPDATE"))

"""Plain SQL says what the ORM would have said, on either database."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError

from proxy import sql
from proxy.routing.models import Project
from proxy.vault.models import IssuerAlias

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 29, 12, 0, 0, 500, UTC)
COLUMNS = ("project_id", "alias", "issuer")


def aliases(count: int) -> list[tuple[int, str, str]]:
    return [(1, f"alias {number}", "issuer") for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 2, sql.MOST_ROWS, sql.MOST_ROWS + 1, 3 * sql.MOST_ROWS])
def test_many_rows_are_inserted_and_tell_what_they_became(count: int) -> None:
    made = sql.insert_many("vault_issueralias", COLUMNS, aliases(count), returning="alias, id")
    assert dict(made) == dict(IssuerAlias.objects.values_list("alias", "pk"))
    assert len(made) == count


def test_rows_that_are_there_may_stay() -> None:
    for _ in range(2):
        made = sql.insert_many("vault_issueralias", COLUMNS, aliases(2), on_conflict="ON CONFLICT DO NOTHING")
        assert made == []
    assert IssuerAlias.objects.count() == 2


def test_a_question_answers_with_rows() -> None:
    Project.objects.create(name="100 % ?")  # both databases' marks
    assert sql.ask("SELECT name FROM routing_project WHERE name = %s", "100 % ?") == [("100 % ?",)]
    names = ["100 % ?", "nobody's"]
    assert len(sql.ask(f"SELECT id FROM routing_project WHERE name IN ({sql.marks(names)})", *names)) == 1


def test_times_are_written_as_django_reads_them() -> None:
    Project.objects.create(name="default")
    moment = datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)
    sql.ask("UPDATE routing_project SET retired_at = %s RETURNING id", sql.time(moment))
    assert Project.objects.get().retired_at == moment


def test_errors_have_djangos_names() -> None:
    sql.insert_many("vault_issueralias", COLUMNS, aliases(1))
    with pytest.raises(IntegrityError), transaction.atomic():
        sql.insert_many("vault_issueralias", COLUMNS, aliases(1))
    assert IssuerAlias.objects.count() == 1


def test_a_transaction_that_has_failed_takes_nothing_more() -> None:
    with transaction.atomic():
        connection.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            sql.ask("SELECT 1")


def test_a_standing_question_is_asked_with_the_moment_of_each_time() -> None:
    retired = sql.Standing(lambda now: Project.objects.filter(retired_at__lte=now, name="100 % ?"))
    assert not retired.any(NOON)
    Project.objects.create(name="100 % ?", retired_at=NOON)
    assert retired.any(NOON)
    assert not retired.any(NOON - timedelta(microseconds=1))
    assert retired.any(NOON.astimezone(ZoneInfo("Pacific/Chatham")))


def test_a_standing_question_may_need_no_moment() -> None:
    named = sql.Standing(lambda _: Project.objects.filter(name="one"))
    Project.objects.create(name="two")
    assert not named.any()
    Project.objects.create(name="one")
    assert named.any()

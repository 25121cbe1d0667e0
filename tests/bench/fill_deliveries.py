"""Years of finished deliveries: `python -m tests.bench.fill_deliveries COUNT`, in the database of the environment.

It has a route with destinations. One row of each kind is made as everybody makes them, and copied by the database
itself, with whatever columns it has by now; only keys and UIDs differ. They lead to no files.
"""

import os
import sys
from collections.abc import Mapping

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.core.management.color import no_style  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import Model  # noqa: E402
from django.utils import timezone  # noqa: E402

from proxy.deliveries.models import Attempt, Delivery  # noqa: E402
from proxy.routing.models import Destination, Route  # noqa: E402
from proxy.studies.models import Revision, Study  # noqa: E402
from tests.bench.fill import tidy  # noqa: E402

FIRST = 1_000_000  # the keys of copies lie behind this
BOUND = Revision.destinations.through


def revision_of(uid: str, state: str, destinations: list[Destination], total: int = 2) -> Revision:
    """A study of its own, with one revision that is bound to these."""
    route, now = Route.objects.get(), timezone.now()
    study = Study.objects.create(project=route.project, uid=uid, patient="ANON-BENCH", received_at=now)
    revision = Revision.objects.create(
        study=study, route=route, number=1, state=state, opened_at=now, quiet_at=now, total=total
    )
    revision.destinations.set(destinations)
    return revision


def fill(count: int) -> None:
    """So many deliveries, one attempt each, of as many studies as go to all destinations."""
    destinations = list(Destination.objects.order_by("pk"))
    width, now = len(destinations), timezone.now()
    first = revision_of("2.25.70", "delivered", destinations)
    Revision.objects.filter(pk=first.pk).update(released_at=now, ended_at=now)
    delivery = Delivery.objects.create(
        revision=first, destination=destinations[0], state="delivered", attempts=1, total=2,
        acknowledged=2, acks=b"\3", next_try_at=now, created_at=now, finished_at=now,
    )  # fmt: skip
    attempt = Attempt.objects.create(delivery=delivery, started_at=now, ended_at=now, outcome="delivered")
    cases = " ".join(f"WHEN {number} THEN {one.pk}" for number, one in enumerate(destinations))
    revision, destination = f"{FIRST} + n.i / {width}", f"CASE n.i % {width} {cases} END"
    studies = -(-count // width)
    copy(first.study, studies, {"id": f"{FIRST} + n.i", "uid": "'2.25.71' || n.i"})
    copy(first, studies, {"id": f"{FIRST} + n.i", "study_id": f"{FIRST} + n.i"})
    bound = BOUND.objects.filter(revision=first).order_by("pk")[0]
    copy(bound, count, {"id": f"{FIRST} + n.i", "revision_id": revision, "destination_id": destination})
    copy(delivery, count, {"id": f"{FIRST} + n.i", "revision_id": revision, "destination_id": destination})
    copy(attempt, count, {"id": f"{FIRST} + n.i", "delivery_id": f"{FIRST} + n.i"})
    _go_on_behind_them()


def copy(row: Model, count: int, different: Mapping[str, str]) -> None:
    """Copies of this row, from number 0; `different` says by column, as SQL, what each has of its own."""
    table = row._meta.db_table
    columns = [str(field.column) for field in row._meta.concrete_fields]
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1})"
    values = ", ".join(different.get(column, f"t.{column}") for column in columns)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"{numbers} INSERT INTO {table} ({', '.join(columns)})"
            f" SELECT {values} FROM {table} t CROSS JOIN n WHERE t.id = {row.pk}"
        )


def _go_on_behind_them() -> None:
    models: list[type[Model]] = [Study, Revision, BOUND, Delivery, Attempt]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)


if __name__ == "__main__":
    fill(int(sys.argv[1]))
    tidy()

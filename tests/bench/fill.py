"""An index that has stood for years: synthesised rows, written the fast way. They lead to no files.

`python -m tests.bench.fill COUNT` fills the database that the environment names, which holds at least one real image:
what is random in a real row is random here, and seals are as long as the real ones.
"""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from secrets import randbits, token_bytes, token_hex
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection, transaction  # noqa: E402
from django.db.models import Avg  # noqa: E402

from proxy import sql  # noqa: E402
from proxy.routing.models import Project, Route  # noqa: E402
from proxy.studies.index import COLUMNS as INSTANCE  # noqa: E402
from proxy.studies.lifecycle import DELIVERED  # noqa: E402
from proxy.studies.models import Revision, Series, Study  # noqa: E402
from proxy.vault.models import Person, Seal, UidPair  # noqa: E402
from tests.bench import headers  # noqa: E402

EACH, AT_ONCE = 500, 20  # images in a study, studies in a transaction
SEAL = ("project_id", "sop_uid", "person_id", "token", "path", "size", "created_at")
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def uid() -> str:
    return f"2.25.{randbits(128)}"


def people(project: Project, count: int) -> list[Person]:
    return Person.objects.bulk_create(
        Person(
            project_id=project.pk,
            blind=token_hex(32),
            pseudonym=f"ANON-{token_hex(8).upper()}",
            shift_days=-100,
            wrapped_key=token_bytes(160),
            identity=token_bytes(500),
            normal_version=1,
        )
        for _ in range(count)
    )


def studies(project: Project, route: Route, persons: list[Person], at: datetime) -> list[Series]:
    """A study, its revision and its series for each person; what hangs below comes later."""
    made = Study.objects.bulk_create(
        Study(project=project, uid=uid(), patient=one.pseudonym, date="20240311", received_at=at)
        for one in persons
    )
    Revision.objects.bulk_create(
        Revision(study=one, route=route, number=1, state=DELIVERED, opened_at=at, quiet_at=at, total=EACH)
        for one in made
    )
    pairs = [(one.uid, person, "study") for one, person in zip(made, persons, strict=True)]
    pairs += [(uid(), person, kind) for person in persons for kind in ("series", "frame")]
    UidPair.objects.bulk_create(
        UidPair(project_id=project.pk, uid=one, person=person, kind=kind, token=token_bytes(180))
        for one, person, kind in pairs
    )
    return Series.objects.bulk_create(Series(study=one, uid=uid(), modality="CT") for one in made)


def below(series: Series, person: Person, length: int, at: datetime) -> Iterator[tuple[Any, Any]]:
    """Rows of an image and of its seal."""
    revision = series.study.revisions.get()
    project, when = series.study.project_id, sql.time(at)
    for ordinal in range(EACH):
        mine = uid()
        path = f"{project}/{series.study.uid}/{mine}.dcm"
        known = (mine, headers.MR_IMAGE, "1.2.840.10008.1.2.1", str(ordinal), path, 525_000)
        keys = (project, revision.pk, series.pk, ordinal, when)
        yield (
            (*keys, *known, token_hex(32), token_hex(32), None),
            (project, mine, person.pk, token_bytes(length), "", length, when),
        )


def fill(count: int) -> None:
    project, route = Project.objects.get(), Route.objects.get()
    length = int(Seal.objects.aggregate(mean=Avg("size"))["mean"])
    for number in range(0, count // EACH, AT_ONCE):
        at = LONG_AGO + timedelta(minutes=number)
        with transaction.atomic():
            persons = people(project, AT_ONCE)
            for series, person in zip(studies(project, route, persons, at), persons, strict=True):
                images, seals = zip(*below(series, person, length, at), strict=True)
                sql.insert_many("studies_instance", INSTANCE, images)
                sql.insert_many("vault_seal", SEAL, seals)


def tidy() -> None:
    """As a database is that has had a quiet night."""
    statements = {"sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)"], "postgresql": ["ANALYZE", "CHECKPOINT"]}
    with connection.cursor() as cursor:
        for statement in statements[connection.vendor]:
            cursor.execute(statement)


if __name__ == "__main__":
    fill(int(sys.argv[1]))
    tidy()

"""An index of many studies, synthesised: ten of a person, one image each. They lead to no files.

`python -m tests.bench.fill_studies COUNT` fills the PostgreSQL database that the environment names, which has a route.
Rows are made by the server itself. Persons have keys and identities that open, as real ones have, because a query by
name opens them; the seals of their images are noise.
"""

import base64
import json
import os
import sys
from secrets import token_bytes, token_hex

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import connection  # noqa: E402
from django.db.models import Model  # noqa: E402
from django.utils import timezone  # noqa: E402

from proxy import sql  # noqa: E402
from proxy.routing.models import Project, Route  # noqa: E402
from proxy.studies.models import Instance, Revision, Series, Study  # noqa: E402
from proxy.vault import tokens  # noqa: E402
from proxy.vault.keyring import current  # noqa: E402
from proxy.vault.pseudonyms import _key_context, identity_context  # noqa: E402

EACH = 10
PERSON = (
    "project_id", "blind", "generation", "pseudonym", "shift_days", "wrapped_key", "identity", "per_study",
    "normal_version", "created_at",
)  # fmt: skip
STATEMENTS = """
CREATE TEMPORARY TABLE crowd AS
  SELECT row_number() OVER (ORDER BY id) - 1 AS n, id, pseudonym FROM vault_person WHERE blind LIKE 'synthetic%';
CREATE UNIQUE INDEX crowd_n ON crowd (n);
INSERT INTO studies_study
  (project_id, uid, patient, birth_date, sex, date, time, accession, description, study_id, received_at, held_reason)
  SELECT {project}, '2.25.77' || g, crowd.pseudonym, '19500101', 'F',
    to_char(date '2000-01-01' + (g::bigint * 7919 % 7300)::int, 'YYYYMMDD'), '101500', 'SYN' || g, 'CT of the chest',
    'S' || g, now(), '' FROM generate_series(0, {last}) AS g JOIN crowd ON crowd.n = g / {each};
CREATE TEMPORARY TABLE made AS SELECT id, uid, patient, date FROM studies_study WHERE accession LIKE 'SYN%';
INSERT INTO studies_revision (study_id, route_id, number, state, opened_at, quiet_at, total)
  SELECT id, {route}, 1, 'delivered', now(), now(), 1 FROM made;
INSERT INTO studies_series (study_id, uid, modality, number, date, time, description, body_part)
  SELECT id, uid || '.1', 'CT', '1', date, '101500', '', 'CHEST' FROM made;
INSERT INTO studies_instance
  (project_id, revision_id, series_id, ordinal, uid, sop_class, transfer_syntax, number, path, size, header_mac,
   bulk_digest, received_at)
  SELECT {project}, r.id, s.id, 0, s.uid || '.1', '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.1.2.1', '1',
    'synthetic/' || s.id, 525000, '', '', now()
  FROM made JOIN studies_revision r ON r.study_id = made.id JOIN studies_series s ON s.study_id = made.id;
INSERT INTO vault_seal (project_id, sop_uid, person_id, token, path, size, created_at)
  SELECT {project}, made.uid || '.1.1', crowd.id, decode(repeat(md5(made.uid), 60), 'hex'), '', 960, now()
  FROM made JOIN crowd ON crowd.pseudonym = made.patient;
INSERT INTO vault_studykey (project_id, blind, uid, person_id)
  SELECT {project}, md5(kind || made.uid) || md5(made.uid), made.uid, crowd.id
  FROM made JOIN crowd ON crowd.pseudonym = made.patient CROSS JOIN (VALUES ('accession'), ('patient')) AS k (kind);
ANALYZE
"""


def people(project: int, count: int) -> None:
    now = sql.time(timezone.now())
    for start in range(0, count, 1000):
        rows = [_person(project, number, now) for number in range(start, min(start + 1000, count))]
        sql.insert_many("vault_person", PERSON, rows)


def _person(project: int, number: int, now: object) -> tuple[object, ...]:
    pseudonym = f"ANON-{base64.b32encode(token_bytes(10)).decode()}"
    key = base64.urlsafe_b64encode(token_bytes(32))
    said = {"issuer": "", "patient_id": f"SYN-{number:07}", "name": f"Synthetica{number:07}^Given"}
    wrapped = current().wrap(_key_context(project, pseudonym), key)
    identity = tokens.encrypt(key, identity_context(project, pseudonym), json.dumps(said).encode())
    blind = f"synthetic{token_hex(27)}"
    return project, blind, 0, pseudonym, 1 + number % 3652, wrapped, identity, False, 1, now


def say_defaults(model: type[Model]) -> None:
    """To the database, which else knows none: columns that are not spoken of here have one."""
    with connection.cursor() as cursor:
        for field in model._meta.concrete_fields:
            if field.has_default() and not field.null:
                table, column = model._meta.db_table, field.column
                cursor.execute(
                    f"ALTER TABLE {table} ALTER COLUMN {column} SET DEFAULT %s", [field.get_default()]
                )


def fill(count: int) -> None:
    for model in (Study, Revision, Series, Instance):
        say_defaults(model)
    project, route = Project.objects.get().pk, Route.objects.get().pk
    people(project, -(-count // EACH))
    words = {"project": project, "route": route, "last": count - 1, "each": EACH}
    with connection.cursor() as cursor:
        for statement in STATEMENTS.format(**words).split(";"):
            cursor.execute(statement)


if __name__ == "__main__":
    fill(int(sys.argv[1]))

"""By what a hospital asks for a study besides its UID: accession number and Patient ID, by keyed index.

The index of persons needs to know who issued a Patient ID; whoever asks often does not say.
"""

import json
from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

from django.db import transaction

from proxy import sql
from proxy.deid.who import normalise
from proxy.vault import tokens
from proxy.vault.keyring import current
from proxy.vault.models import Person, StudyKey
from proxy.vault.pseudonyms import Known, data_key, identity_context, known_by, with_families

ACCESSION, PATIENT, NEITHER = "accession", "patient", "neither"


class StudyKeyRow(NamedTuple):
    """One that is not in the database yet; `uid` is the study's pseudonymous one."""

    project_id: int
    blind: str
    uid: str
    person_id: int


def rows(known: Known, uid: str, accession: str, patient_id: str) -> tuple[StudyKeyRow, ...]:
    """Of one study. One that says neither has a row that leads nowhere: so every study has been looked at that has a
    row, and no other."""
    said = {ACCESSION: normalise(accession), PATIENT: normalise(patient_id)}
    kept = {kind: value for kind, value in said.items() if value} or {NEITHER: ""}
    return tuple(
        StudyKeyRow(known.project_id, _blind(known.project_id, kind, value), uid, known.person_id)
        for kind, value in kept.items()
    )


def late_rows(person: Person, uid: str, accession: str) -> tuple[StudyKeyRow, ...]:
    """Of a study that came before keys were kept, under the Patient ID that its person has by now. Raises Forgotten."""
    key = data_key(current(), person)
    context = identity_context(person.project_id, person.pseudonym)
    identity: dict[str, str] = json.loads(tokens.decrypt(key, context, person.identity or b""))
    return rows(known_by(person), uid, accession, identity["patient_id"])


def keep(rows: Sequence[StudyKeyRow]) -> None:
    """Those that are there already say the same and stay."""
    if rows:
        with transaction.atomic(savepoint=False):
            sql.insert_many(
                "vault_studykey", StudyKeyRow._fields, sorted(rows), on_conflict="ON CONFLICT DO NOTHING"
            )


def studies_of(project_id: int, accessions: Collection[str]) -> set[str]:
    """Pseudonymous study UIDs."""
    wanted = sql.packed(_blind(project_id, ACCESSION, normalise(one)) for one in accessions)
    statement = f"SELECT uid FROM vault_studykey WHERE project_id = %s AND {sql.among('blind')}"  # noqa: S608
    return {uid for (uid,) in sql.ask(statement, project_id, wanted)}


def bearers_of(project_id: int, patient_id: str) -> set[str]:
    """Pseudonyms of everybody living with this Patient ID, whoever issued it, and of whom the hospital found to be one
    with them."""
    blind = _blind(project_id, PATIENT, normalise(patient_id))
    return with_families(project_id, sql.ask(_BEARERS, project_id, blind))


_BEARERS: Final = (
    "SELECT DISTINCT person.pseudonym, person.family FROM vault_studykey study_key"
    " JOIN vault_person person ON person.id = study_key.person_id"
    " WHERE study_key.project_id = %s AND study_key.blind = %s AND person.forgotten_at IS NULL"
)


def correct(person: Person, before: str, after: str) -> None:
    """This person's Patient ID is another."""
    old, new = (_blind(person.project_id, PATIENT, normalise(one)) for one in (before, after))
    there = list(
        StudyKey.objects.filter(project_id=person.project_id, blind=new).values_list("uid", flat=True)
    )
    mine = StudyKey.objects.filter(person=person, blind=old)
    mine.filter(uid__in=there).delete()
    mine.update(blind=new)


def _blind(project_id: int, kind: str, value: str) -> str:
    return current().blind(project_id, f"{kind}:{value}")

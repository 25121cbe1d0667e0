"""By what a hospital asks for a study besides its UID: its accession number, by keyed index, never read back."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db import transaction

from proxy import sql
from proxy.deid.who import normalise
from proxy.vault.keyring import current
from proxy.vault.models import StudyKey
from proxy.vault.pseudonyms import Known


class StudyKeyRow(NamedTuple):
    """One that is not in the database yet; `uid` is the study's pseudonymous one."""

    project_id: int
    blind: str
    uid: str
    person_id: int


def row(known: Known, uid: str, accession: str) -> StudyKeyRow | None:
    """None for a study without accession number."""
    said = normalise(accession)
    if not said:
        return None
    return StudyKeyRow(known.project_id, _blind(known.project_id, said), uid, known.person_id)


def keep(rows: Sequence[StudyKeyRow]) -> None:
    """Those that are there already say the same and stay."""
    if rows:
        with transaction.atomic(savepoint=False):
            sql.insert_many(
                "vault_studykey", StudyKeyRow._fields, sorted(rows), on_conflict="ON CONFLICT DO NOTHING"
            )


def studies_of(project_id: int, accessions: Collection[str]) -> set[str]:
    """Pseudonymous study UIDs."""
    wanted = [_blind(project_id, normalise(one)) for one in accessions]
    found = StudyKey.objects.filter(project_id=project_id, blind__in=wanted)
    return set(found.values_list("uid", flat=True))


def _blind(project_id: int, accession: str) -> str:
    return current().blind(project_id, f"accession:{accession}")

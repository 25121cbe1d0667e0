"""Forget a person for good: without the data key no token, file or identity of theirs opens again.

The row stays with its blind index and pseudonym, so that the next sighting becomes the next generation and
nobody gets this pseudonym again. Rows of seals stay too, empty: the ledger counts what was forgotten. A wrapped
key may outlive its row in a database's dead pages and in backups: SQLite overwrites and truncates here,
PostgreSQL when it vacuums, and `restore` replays the list of the forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import connection, transaction
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.record import record
from proxy.deid.who import VERSION
from proxy.vault import forgotten, pseudonyms, remembered, seals
from proxy.vault.forgotten import Listed
from proxy.vault.models import FormerId, Person, Seal, StudyKey, UidPair
from proxy.vault.reidentify import FORGET, Principal, Unknown, allowed
from proxy.vault.seals import Forgotten


@dataclass(frozen=True, slots=True)
class Erased:
    """What was forgotten, for whoever confirms it to the patient."""

    pseudonym: str
    seals: int
    uid_pairs: int


def forget(principal: Principal, pseudonym: str, project_id: int, purpose: str) -> Erased:
    """With everybody who was merged with them. Raises NotAllowed, Unknown, or Forgotten when it was done before."""
    allowed(principal, FORGET, pseudonym, project_id, purpose)
    with transaction.atomic():
        _overwrite_what_is_deleted()
        family = _take(project_id, pseudonym)
        paths = seals.paths_of(Seal.objects.filter(person__in=family))
        erased = [_erase(person) for person in family]
        for one in erased:
            detail = {"project": project_id, "seals": one.seals, "uid_pairs": one.uid_pairs}
            record(
                actions.FORGOTTEN, actor=principal.name, subject=one.pseudonym, purpose=purpose, detail=detail
            )
        for person in family:
            _write_down(person)
        transaction.on_commit(lambda: _clean_up(family, paths))
    return Erased(pseudonym, sum(one.seals for one in erased), sum(one.uid_pairs for one in erased))


def erase_again(one: Listed) -> bool:
    """For `restore`, which replays the list of the forgotten; False if there was nothing to do.

    Also whoever is not in this backup had this pseudonym once, and nobody gets it again.
    """
    with transaction.atomic():
        _overwrite_what_is_deleted()
        person = Person.objects.filter(project_id=one.project_id, pseudonym=one.pseudonym).first()
        if person is None:
            return _stand_in(one)
        was_alive = person.forgotten_at is None
        if was_alive:
            paths = seals.paths_of(Seal.objects.filter(person=person))
            _erase(person)
            transaction.on_commit(lambda: _clean_up([person], paths))
        return _use_up(person, one) or was_alive


def living(listed: Sequence[Listed]) -> list[str]:
    """Pseudonyms on the list whose bearers live: a forgetting or a restore was cut off, or a database was put back by
    other means."""
    pseudonyms = {(one.project_id, one.pseudonym) for one in listed}
    return sorted(pseudonym for project_id, pseudonym in pseudonyms if _lives(project_id, pseudonym))


def unknown(listed: Sequence[Listed]) -> list[Listed]:
    """Those whose id this database would take for one that nobody ever bore."""
    return [one for one in listed if not _is_used(one)]


def _lives(project_id: int, pseudonym: str) -> bool:
    bearers = Person.objects.filter(project_id=project_id, pseudonym=pseudonym)
    return bearers.filter(forgotten_at=None).exists()


def _stand_in(one: Listed) -> bool:
    """A person without anything but a used id and pseudonym. The shift was theirs and is not known any more."""
    if _is_used(one):
        return False
    Person.objects.create(
        project_id=one.project_id,
        pseudonym=one.pseudonym,
        blind=one.blind,
        generation=one.generation,
        shift_days=1,
        normal_version=VERSION,
        forgotten_at=timezone.now(),
    )
    return True


def _use_up(person: Person, one: Listed) -> bool:
    """They had another id, too, before or after this backup."""
    if _is_used(one):
        return False
    FormerId.objects.create(
        project_id=one.project_id, blind=one.blind, generation=one.generation, person=person
    )
    return True


def _is_used(one: Listed) -> bool:
    """Or not told."""
    used = {"project_id": one.project_id, "blind": one.blind, "generation": one.generation}
    return not one.blind or Person.objects.filter(**used).exists() or FormerId.objects.filter(**used).exists()


def _write_down(person: Person) -> None:
    ids = [
        (person.blind, person.generation),
        *person.former_ids.order_by("pk").values_list("blind", "generation"),
    ]
    for blind, generation in ids:
        forgotten.remember(Listed(person.project_id, person.pseudonym, blind, generation))


def _take(project_id: int, pseudonym: str) -> list[Person]:
    rows = Person.objects.select_for_update().filter(project_id=project_id)
    person = rows.filter(pseudonym=pseudonym).first()
    if person is None:
        raise Unknown("Nobody of that pseudonym is known in this project.")
    if person.forgotten_at is not None:
        raise Forgotten("This person was forgotten before.")
    if person.family is None:
        return [person]
    return list(rows.filter(family=person.family, forgotten_at=None).order_by("pk"))


def _erase(person: Person) -> Erased:
    Person.objects.filter(pk=person.pk).update(wrapped_key=None, identity=None, forgotten_at=timezone.now())
    emptied = Seal.objects.filter(person=person).update(token=None, path="", size=0)
    pairs, _ = UidPair.objects.filter(person=person).delete()
    StudyKey.objects.filter(person=person).delete()
    return Erased(person.pseudonym, emptied, pairs)


def _overwrite_what_is_deleted() -> None:
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")


def _clean_up(persons: Sequence[Person], paths: Sequence[Path]) -> None:
    pseudonyms.drop({person.pk for person in persons})
    remembered.forget_all()
    seals.remove_files(paths)
    if connection.vendor == "sqlite":
        _empty_the_log()


def _empty_the_log() -> None:
    """The write-ahead log still holds the wrapped key. A long reader keeps us from emptying it: then the next
    checkpoint does, and nobody waits for half a minute here."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        [patience] = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout = 250")
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.fetchall()
        cursor.execute(f"PRAGMA busy_timeout = {int(patience)}")

"""Who a pseudonym is, read from its person's row."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.vault import tokens
from proxy.vault.keyring import current
from proxy.vault.models import Person
from proxy.vault.pseudonyms import data_key, identity_context
from proxy.vault.seals import Forgotten


@dataclass(frozen=True, slots=True, repr=False)
class Identity:
    """Who a pseudonym is. Shows nothing of itself."""

    pseudonym: str
    issuer: str
    patient_id: str
    values: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Identity({self.pseudonym})"


class Unknown(LookupError):
    """Nobody of that pseudonym, or nothing of that UID, in this project."""

    status = 0x0110


def read(person: Person) -> Identity:
    context = identity_context(person.project_id, person.pseudonym)
    plain = tokens.decrypt(data_key(current(), person), context, person.identity or b"")
    values: dict[str, str] = json.loads(plain)
    issuer, patient_id = values.pop("issuer"), values.pop("patient_id")
    return Identity(person.pseudonym, issuer, patient_id, values)


def person_of(project_id: int, pseudonym: str) -> Person:
    """Raises Unknown, Forgotten."""
    person = Person.objects.filter(project_id=project_id, pseudonym=pseudonym).first()
    if person is None:
        raise Unknown("Nobody of that pseudonym is known in this project.")
    return living(person)


def living(person: Person) -> Person:
    if person.forgotten_at is not None:
        raise Forgotten("This person was forgotten.")
    return person

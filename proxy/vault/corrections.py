"""What the hospital finds out later: two persons are one, or a Patient ID was typed wrong.

Nothing that was given out becomes wrong: pseudonyms stay valid, a study keeps its pseudonym and its shift, and its
images still come back as they were sent. After a merge, what is new of either is the survivor's. After a correction,
whoever bears the wrong id from now on is somebody else, but in a study that came before: it stays its person's.
"""

import json
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import Q

from proxy.audit import actions
from proxy.audit.record import record
from proxy.deid.who import normalise, who_is
from proxy.vault import issuers, studykeys, tokens
from proxy.vault.keyring import current
from proxy.vault.models import FormerId, Person
from proxy.vault.pseudonyms import data_key, identity_context
from proxy.vault.reidentify import Principal, Unknown, allowed
from proxy.vault.seals import Forgotten

CORRECT = "vault.correct_person"
TAKEN = "Somebody bears this Patient ID already: merge the two, if they are one."


class Contradiction(ValueError):
    """The asker's fault: what they ask for cannot be."""


@dataclass(frozen=True, slots=True)
class Merged:
    survivor: str
    members: int


def merge(principal: Principal, pseudonym: str, into: str, project_id: int, purpose: str) -> Merged:
    """From now on `into` is who both are. Raises NotAllowed, Unknown, Forgotten, Contradiction."""
    allowed(principal, CORRECT, pseudonym, project_id, purpose)
    with transaction.atomic():
        absorbed, survivor = _both(project_id, pseudonym, into)
        if absorbed.family is not None and absorbed.family == survivor.family:
            raise Contradiction("The two were merged before.")
        families = Q(pk__in=[absorbed.pk, survivor.pk])
        for one in (absorbed, survivor):
            families |= Q(family=one.family) if one.family is not None else Q()
        members = Person.objects.filter(families, project_id=project_id).update(family=survivor.pk)
        detail = {"project": project_id, "into": into, "members": members}
        record(actions.PERSON_MERGED, actor=principal.name, subject=pseudonym, purpose=purpose, detail=detail)
    return Merged(into, members)


def _both(project_id: int, pseudonym: str, into: str) -> tuple[Person, Person]:
    """Locked in one order, so that two who merge the same two wait for each other."""
    if pseudonym == into:
        raise Contradiction("Nobody is merged into themselves.")
    rows = Person.objects.select_for_update().filter(project_id=project_id, pseudonym__in=[pseudonym, into])
    found = {one.pseudonym: one for one in rows.order_by("pk")}
    if len(found) < 2:
        raise Unknown("Nobody of one of these pseudonyms is known in this project.")
    for one in found.values():
        _usable(one)
    return found[pseudonym], found[into]


def _usable(person: Person) -> None:
    if person.forgotten_at is not None:
        raise Forgotten("This person was forgotten.")
    if person.per_study:
        raise Contradiction("Without a usable Patient ID a person is one study's, and stays so.")


def correct(
    principal: Principal, pseudonym: str, project_id: int, *, issuer: str, patient_id: str, purpose: str
) -> None:
    """This person's Patient ID is another. Raises NotAllowed, Unknown, Forgotten, Contradiction."""
    allowed(principal, CORRECT, pseudonym, project_id, purpose)
    who = who_is(issuers.canonical(project_id, normalise(issuer)), patient_id, "")
    if who.per_study:
        raise Contradiction("This is no Patient ID that could be somebody's.")
    ring = current()
    blind = ring.blind(project_id, who.text)
    with transaction.atomic():
        person = Person.objects.select_for_update().filter(project_id=project_id, pseudonym=pseudonym).first()
        if person is None:
            raise Unknown("Nobody of that pseudonym is known in this project.")
        _usable(person)
        _is_nobodys(project_id, blind)
        FormerId.objects.create(
            project_id=project_id, blind=person.blind, generation=person.generation, person=person
        )
        _rename(person, blind, issuer, patient_id)
        record(
            actions.PERSON_CORRECTED,
            actor=principal.name,
            subject=pseudonym,
            purpose=purpose,
            detail={"project": project_id},
        )


def _is_nobodys(project_id: int, blind: str) -> None:
    bearers = Person.objects.filter(project_id=project_id, blind=blind)
    if bearers.filter(forgotten_at=None).exists():
        raise Contradiction(TAKEN)
    if bearers.exists() or FormerId.objects.filter(project_id=project_id, blind=blind).exists():
        raise Contradiction(
            "This Patient ID was somebody's before. Whoever bears it now is a new person: merge with them once their"
            " first image has come."
        )


def _rename(person: Person, blind: str, issuer: str, patient_id: str) -> None:
    key = data_key(current(), person)
    context = identity_context(person.project_id, person.pseudonym)
    identity = json.loads(tokens.decrypt(key, context, person.identity or b""))
    studykeys.correct(person, identity["patient_id"], patient_id)
    identity |= {"issuer": issuer, "patient_id": patient_id}
    person.identity = tokens.encrypt(key, context, json.dumps(identity, sort_keys=True).encode("ascii"))
    person.blind = blind
    try:
        with transaction.atomic():
            person.save(update_fields=["identity", "blind"])
    except IntegrityError:  # somebody new of that id has come since we looked
        raise Contradiction(TAKEN) from None

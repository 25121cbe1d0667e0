"""One question, one answer: a person, a UID, and the other way round."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction

from proxy.audit import actions
from proxy.deid import identifiers
from proxy.vault import seals
from proxy.vault.models import Person, Seal, UidPair
from proxy.vault.projects import project_key
from proxy.vault.pseudonyms import find_person
from proxy.vault.reidentify.asking import VIEW, Principal, allowed, mark
from proxy.vault.reidentify.identity import Identity, Unknown, person_of, read


def identity_of(principal: Principal, pseudonym: str, project_id: int, purpose: str) -> Identity:
    allowed(principal, VIEW, pseudonym, project_id, purpose)
    with _looking(principal, actions.IDENTITY_VIEWED, pseudonym, project_id, purpose):
        return read(person_of(project_id, pseudonym))


def original_uid(principal: Principal, uid: str, project_id: int, purpose: str) -> str:
    """What a study's, series' or frame of reference's pseudonymous UID was."""
    allowed(principal, VIEW, uid, project_id, purpose)
    with _looking(principal, actions.UID_VIEWED, uid, project_id, purpose):
        return seals.open_pair(_pair(project_id, uid))


def pseudonym_of(
    principal: Principal, project_id: int, *, issuer: str, patient_id: str, purpose: str, study_key: str = ""
) -> str:
    """The pseudonym of an original Patient ID, for whoever stands with the original in hand."""
    allowed(principal, VIEW, "a Patient ID", project_id, purpose)
    known = find_person(project_id, issuer, patient_id, study_key)
    subject = known.pseudonym if known else "nobody"
    mark(principal, actions.PSEUDONYM_LOOKED_UP, subject, project_id, purpose)
    if known is None:
        raise Unknown("Nobody with this Patient ID is known in this project.")
    return known.pseudonym


def pseudonymous_uid(principal: Principal, project_id: int, original: str, purpose: str) -> str:
    """What became of an original study, series or instance UID."""
    allowed(principal, VIEW, "an original UID", project_id, purpose)
    found = next((uid for uid in _candidates(project_id, original) if _is_held(project_id, uid)), None)
    mark(principal, actions.PSEUDONYM_LOOKED_UP, found or "nothing", project_id, purpose)
    if found is None:
        raise Unknown("Nothing with this UID is known in this project.")
    return found


@contextmanager
def _looking(
    principal: Principal, action: str, subject: str, project_id: int, purpose: str
) -> Iterator[None]:
    """The look and its mark in one transaction; the answer leaves only after its commit."""
    with transaction.atomic():
        yield
        mark(principal, action, subject, project_id, purpose)


def _pair(project_id: int, uid: str) -> UidPair:
    """Several persons may stand behind one UID (a shared frame of reference); all say the same."""
    pairs = UidPair.objects.select_related("person").filter(project_id=project_id, uid=uid)
    living = pairs.filter(person__forgotten_at__isnull=True).first()
    if pair := living or pairs.first():
        return pair
    raise Unknown("Nothing with this UID is known in this project.")


def _candidates(project_id: int, original: str) -> Iterator[str]:
    """One for each generation that anybody in this project has reached."""
    key = project_key(project_id)
    generations = Person.objects.filter(project_id=project_id).values_list("generation", flat=True)
    for generation in generations.distinct().order_by("generation"):
        yield identifiers.map_uid(identifiers.subject_uid_key(key, generation), original)


def _is_held(project_id: int, uid: str) -> bool:
    return (
        UidPair.objects.filter(project_id=project_id, uid=uid).exists()
        or Seal.objects.filter(project_id=project_id, sop_uid=uid).exists()
    )

"""Whom a Patient ID means, for the identified view: the pseudonyms of everybody in view who bears it.

A Patient ID is one person under each issuer. Where none is named, whoever has a study under it counts, and those under
the issuers that this house knows: of nodes, of projects, and no issuer at all.
"""

from collections.abc import Iterator

from proxy.retrieval.views import View
from proxy.routing.models import Node, Project
from proxy.vault import studykeys
from proxy.vault.pseudonyms import family_of, find_person


def bearers(view: View, patient_id: str, issuer: str) -> list[str]:
    """By keyed index: nothing is opened for it."""
    found = {one for project_id in view.projects for one in _pseudonyms(project_id, patient_id, issuer)}
    return sorted(found)


def _pseudonyms(project_id: int, patient_id: str, issuer: str) -> Iterator[str]:
    for name in [issuer] if issuer else _issuers(project_id):
        known = find_person(project_id, name, patient_id)
        yield from (one.pseudonym for one in family_of(known)) if known is not None else ()
    if not issuer:
        yield from studykeys.bearers_of(project_id, patient_id)


def _issuers(project_id: int) -> Iterator[str]:
    named = set(Node.objects.exclude(issuer="").values_list("issuer", flat=True))
    named |= set(Project.objects.filter(pk=project_id).values_list("issuer", flat=True))
    yield from sorted(named | {""})

"""Whom a Patient ID means, for the identified view: the pseudonyms of everybody in view who bears it.

A Patient ID is one person under each issuer. Where none is named, whoever has a study under it counts, and those under
the issuers that this house knows: of nodes, of projects, and no issuer at all.
"""

from proxy import sql
from proxy.retrieval.views import View
from proxy.vault import studykeys
from proxy.vault.pseudonyms import names_of


def bearers(view: View, patient_id: str, issuer: str) -> list[str]:
    """By keyed index: nothing is opened for it."""
    return sorted(set[str]().union(*(_names(one, patient_id, issuer) for one in view.projects)))


def _names(project_id: int, patient_id: str, issuer: str) -> set[str]:
    if issuer:
        return names_of(project_id, [issuer], patient_id)
    named = names_of(project_id, _issuers(project_id), patient_id)
    return named | studykeys.bearers_of(project_id, patient_id)


def _issuers(project_id: int) -> set[str]:
    said = sql.ask(
        "SELECT issuer FROM routing_node UNION SELECT issuer FROM routing_project WHERE id = %s", project_id
    )
    return {issuer for (issuer,) in said} | {""}

"""Accession numbers and Patient IDs lead to studies and persons, and cannot be read back."""

import pytest

from proxy.vault import studykeys
from proxy.vault.forget import forget
from proxy.vault.models import Person, StudyKey
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.reidentify import Principal

pytestmark = pytest.mark.django_db(transaction=True)
MAY = Principal("officer", lambda permission: True)


def met(issuer: str, patient_id: str, uid: str, accession: str, project: int = 1) -> Known:
    known = person_for(project, issuer, patient_id, {"name": "Example^Ada"}, uid)
    studykeys.keep(studykeys.rows(known, uid, accession, patient_id))
    return known


def names(project: int, patient_id: str) -> set[str]:
    return studykeys.bearers_of(project, patient_id)


def test_a_study_is_found_by_its_number_in_its_project_only() -> None:
    met("EAST", "AE-1", "2.25.1", " ACC-1 ")
    met("EAST", "AE-1", "2.25.2", "ACC-1")
    met("EAST", "AE-1", "2.25.3", "ACC-1", project=2)
    assert studykeys.studies_of(1, ["ACC-1", "ACC-9"]) == {"2.25.1", "2.25.2"}
    assert studykeys.studies_of(2, ["ACC-1"]) == {"2.25.3"}
    assert studykeys.studies_of(1, ["AE-1", "acc-1", ""]) == set()


def test_a_person_is_found_whoever_issued_the_id() -> None:
    east, west = met("EAST", "AE-1", "2.25.1", ""), met("WEST", "AE-1", "2.25.2", "")
    met("EAST", "AE-2", "2.25.3", "")
    assert names(1, "AE-1 ") == {east.pseudonym, west.pseudonym}
    forget(MAY, east.pseudonym, 1, "request")
    assert names(1, "AE-1") == {west.pseudonym}
    assert StudyKey.objects.filter(person__pseudonym=east.pseudonym).count() == 0


def test_keeping_twice_is_keeping_once_and_of_nothing_there_is_a_row_that_leads_nowhere() -> None:
    met("EAST", "AE-1", "2.25.1", "ACC-1")
    met("EAST", "AE-1", "2.25.1", "ACC-1")
    assert StudyKey.objects.count() == 2
    studykeys.keep([])
    assert len(studykeys.rows(met("EAST", "AE-1", "2.25.1", ""), "2.25.9", " ", "")) == 1
    met("EAST", "", "2.25.9", " ")
    assert StudyKey.objects.filter(uid="2.25.9").count() == 1
    assert studykeys.studies_of(1, ["", " "]) | names(1, "") == set()


def test_a_corrected_id_leads_to_its_person_and_the_wrong_one_to_nobody() -> None:
    known = met("EAST", "AE-1", "2.25.1", "ACC-1")
    studykeys.correct(Person.objects.get(), "AE-1", "AE-7")
    assert (names(1, "AE-1"), names(1, "AE-7")) == (set(), {known.pseudonym})
    assert studykeys.studies_of(1, ["ACC-1"]) == {"2.25.1"}


def test_nothing_of_them_can_be_read() -> None:
    met("EAST", "AE-4711", "2.25.1", "ACC-77120")
    stored = repr(list(StudyKey.objects.values()))
    assert "4711" not in stored and "77120" not in stored

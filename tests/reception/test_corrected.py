"""Whose images are held, late or sent again, and whose Patient ID the hospital corrected meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from proxy import pipeline
from proxy.quarantine import decide
from proxy.quarantine.models import HeldItem
from proxy.reception import pairs
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Project
from proxy.studies.models import Instance, Study
from proxy.vault import studykeys
from proxy.vault.corrections import correct, merge
from proxy.vault.forget import forget
from proxy.vault.models import Person
from proxy.vault.pseudonyms import find_person, forget_cache
from proxy.vault.reidentify import Principal
from tests import cast
from tests.reception.sending import send

pytestmark = pytest.mark.django_db(transaction=True)
MAY = Principal("officer", lambda permission: True)
RIGHT = "AE-4712-XQ"
WHY = "ticket 12"


@pytest.fixture(autouse=True)
def nothing_written_yet() -> Iterator[None]:
    pairs._written.clear()
    yield
    pairs._written.clear()


def image(instance: int, *, study: int = 1, patient_id: str = cast.ADA.id, burned: bool = False) -> Dataset:
    extra = {"PatientID": patient_id, **({"BurnedInAnnotation": "YES"} if burned else {})}
    return cast.ct(cast.StudyPlan(number=study, extra=extra), instance=instance)


def pseudonym_of(route: RouteFacts, patient_id: str = cast.ADA.id) -> str:
    known = find_person(route.project_id, "", patient_id)
    assert known is not None
    return known.pseudonym


def corrected(route: RouteFacts, patient_id: str = RIGHT) -> str:
    """Ada's id is another from now on; her pseudonym."""
    ada = pseudonym_of(route)
    correct(MAY, ada, route.project_id, issuer="", patient_id=patient_id, purpose=WHY)
    return ada


def release() -> None:
    for item in HeldItem.objects.filter(state="held"):
        pipeline.release_held(item.pk, "ada")


def is_one_study_of(pseudonym: str, images: int) -> bool:
    of_theirs = Instance.objects.filter(revision__study__patient=pseudonym).count()
    return Study.objects.get().patient == pseudonym and of_theirs == Instance.objects.count() == images


def studies() -> list[tuple[str, int]]:
    """Whose they are, and how many images they have."""
    rows = Study.objects.values_list("pk", "patient")
    return sorted((patient, Instance.objects.filter(series__study=study).count()) for study, patient in rows)


def test_promise_5_what_was_held_goes_out_as_whom_it_was_held(route: RouteFacts) -> None:
    assert send(route, image(1, burned=True)) == 0
    ada = corrected(route)
    release()
    assert is_one_study_of(ada, 1)
    assert Study.objects.get().uid == HeldItem.objects.get().study_uid
    assert Person.objects.count() == 1


def test_promise_5_what_was_held_stays_with_its_study(route: RouteFacts) -> None:
    assert send(route, image(1)) == send(route, image(2, burned=True)) == 0
    ada = corrected(route)
    release()
    assert is_one_study_of(ada, 2)


def test_promise_5_a_study_of_which_half_came_stays_one(route: RouteFacts) -> None:
    assert send(route, image(1)) == 0
    ada = corrected(route)
    assert send(route, image(2)) == send(route, image(3, patient_id=RIGHT)) == 0
    assert is_one_study_of(ada, 3)
    assert not HeldItem.objects.exists()
    assert Person.objects.count() == 1


def test_promise_5_a_study_of_which_half_is_held_stays_one(route: RouteFacts) -> None:
    assert send(route, image(1, burned=True)) == 0
    ada = corrected(route)
    assert send(route, image(2)) == send(route, image(3, burned=True)) == 0
    assert set(HeldItem.objects.values_list("patient", flat=True)) == {ada}
    release()
    assert is_one_study_of(ada, 3)


def test_promise_5_so_does_one_whose_held_half_was_discarded(route: RouteFacts) -> None:
    assert send(route, image(1, burned=True)) == 0
    assert decide.discard(HeldItem.objects.get(), "ada")
    ada = corrected(route)
    assert send(route, image(2)) == 0
    assert is_one_study_of(ada, 1)


def test_an_image_that_comes_again_is_known(route: RouteFacts, data: Path) -> None:
    assert send(route, image(1)) == 0
    ada = corrected(route)
    forget_cache()
    assert send(route, image(1)) == 0
    assert is_one_study_of(ada, 1)
    assert not HeldItem.objects.exists()
    assert len([path for path in (data / "studies").rglob("*") if path.is_file()]) == 1


def test_another_study_with_the_wrong_id_is_somebody_else_s(route: RouteFacts) -> None:
    assert send(route, image(1)) == 0
    ada = corrected(route)
    assert send(route, image(1, study=2)) == send(route, image(2)) == send(route, image(2, study=2)) == 0
    other = pseudonym_of(route)
    assert other != ada
    assert studies() == sorted([(ada, 2), (other, 2)])
    assert send(route, image(1, study=3, patient_id=RIGHT)) == 0
    assert sorted(Study.objects.values_list("patient", flat=True)) == sorted([ada, ada, other])


def test_promise_5_each_of_two_who_had_the_wrong_id_keeps_their_study(route: RouteFacts) -> None:
    assert send(route, image(1)) == 0
    first = corrected(route)
    assert send(route, image(1, study=2)) == 0
    second = corrected(route, "AE-4713-XQ")
    assert send(route, image(2)) == send(route, image(2, study=2)) == send(route, image(1, study=3)) == 0
    third = pseudonym_of(route)
    assert len({first, second, third}) == 3
    assert studies() == sorted([(first, 2), (second, 2), (third, 1)])


def test_promise_5_it_stays_so_after_a_second_correction_and_a_merge(route: RouteFacts) -> None:
    assert send(route, image(1)) == send(route, image(1, study=2, patient_id="AE-9")) == 0
    ada, ben = pseudonym_of(route), pseudonym_of(route, "AE-9")
    merge(MAY, ada, ben, route.project_id, WHY)
    assert send(route, image(1, study=3)) == 0
    for right in (RIGHT, "AE-4713-XQ"):
        correct(MAY, ada, route.project_id, issuer="", patient_id=right, purpose=WHY)
    assert (
        send(route, image(2))
        == send(route, image(2, patient_id=RIGHT))
        == send(route, image(2, study=3))
        == 0
    )
    assert studies() == sorted([(ada, 2), (ben, 1), (ben, 2)])


def test_a_project_that_keeps_uids_knows_the_study_too(route: RouteFacts, tmp_path: Path) -> None:
    recipe = tmp_path / "kept.yaml"
    recipe.write_text("extends: basic\noptions: [uids]\n")
    Project.objects.update(recipe=str(recipe))
    keeping = load_table().route_for("DICOMRCV", "CT_EAST")
    assert keeping is not None
    assert send(keeping, image(1)) == send(keeping, image(2, burned=True)) == 0
    ada = corrected(route)
    assert send(keeping, image(3)) == 0
    release()
    assert is_one_study_of(ada, 3)
    assert Study.objects.get().uid == cast.StudyPlan().uid


def test_who_was_forgotten_is_not_found_by_the_wrong_id_either(route: RouteFacts) -> None:
    assert send(route, image(1)) == 0
    ada = corrected(route)
    forget(MAY, ada, route.project_id, WHY)
    assert send(route, image(2)) == 0
    assert pseudonym_of(route) != ada
    assert studies() == sorted([(ada, 1), (pseudonym_of(route), 1)])


@pytest.mark.parametrize("burned", [False, True])
def test_no_query_finds_the_study_by_the_wrong_id(route: RouteFacts, burned: bool) -> None:
    assert send(route, image(1, burned=burned)) == 0
    ada = corrected(route)
    pairs._written.clear()  # another process
    assert send(route, image(2)) == 0
    assert studykeys.bearers_of(route.project_id, cast.ADA.id) == set()
    assert studykeys.bearers_of(route.project_id, RIGHT) == {ada}
    assert studykeys.studies_of(route.project_id, ["ACC-77120"]) == {Study.objects.get().uid}

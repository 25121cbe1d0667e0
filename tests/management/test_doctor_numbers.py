"""Studies that came before keys of their numbers were kept: noticed, filled from their seals, once."""

from pathlib import Path
from typing import Any

import pytest

from proxy.management.doctor import numbers
from proxy.management.doctor.findings import OK, WARN
from proxy.management.doctor.numbers import examine_numbers
from proxy.retrieval import lacking
from proxy.routing.match import load_table
from proxy.routing.models import Project, Route
from proxy.studies.models import Study
from proxy.vault import corrections, forget, seals, studykeys
from proxy.vault.models import Person, Seal, StudyKey
from proxy.vault.reidentify import Principal
from tests import cast
from tests.cast import ADA, BEN, StudyPlan
from tests.reception.conftest import data
from tests.reception.sending import send

__all__ = ["data"]
pytestmark = pytest.mark.django_db(transaction=True)
MAY = Principal("officer", lambda permission: True)
PLANS = [
    StudyPlan(),
    StudyPlan(number=4, accession="ACC-9"),
    StudyPlan(patient=BEN, number=2, accession="ACC-2"),
    StudyPlan(patient=BEN, number=5, accession=""),
]


@pytest.fixture(params=["basic", "minimal"])
def keys(request: Any, data: Path) -> set[tuple[Any, ...]]:
    """Of studies as they came; the vault has lost them."""
    for name, plans in (("default", PLANS), ("other", PLANS[:1])):
        project = Project.objects.create(name=name, recipe=request.param)
        Route.objects.create(called_ae=name.upper(), project=project)
        route = load_table().route_for(name.upper(), "CT_EAST")
        assert route is not None
        for plan in plans:
            assert send(route, cast.ct(plan)) == send(route, cast.ct(plan, 2)) == 0
    made = known()
    StudyKey.objects.all().delete()
    return made


def known() -> set[tuple[Any, ...]]:
    return set(StudyKey.objects.values_list("project_id", "blind", "uid", "person_id"))


def fill(most: int = 100) -> list[int]:
    told: list[int] = []

    def progress(done: int) -> None:
        told.append(done)
        if done >= most:
            raise KeyboardInterrupt

    try:
        lacking.fill(progress)
    except KeyboardInterrupt:
        assert most < 100
    return told


def test_keys_are_made_as_reception_makes_them_and_once(keys: set[tuple[Any, ...]]) -> None:
    [finding] = examine_numbers()
    assert (finding.level, finding.area) == (WARN, "numbers")
    assert "5 studies" in finding.sentence
    assert finding.repair is not None
    assert finding.repair() == "Made the keys of 5 studies."
    assert known() == keys
    [finding] = examine_numbers()
    assert (finding.level, finding.repair) == (OK, None)
    assert fill() == []


def test_whoever_lost_some_gets_those(keys: set[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lacking, "AT_ONCE", 1)
    assert fill(most=2) == [1, 2]
    assert known() < keys
    assert fill() == [1, 2, 3]
    assert known() == keys


def test_a_corrected_patient_id_counts(keys: set[tuple[Any, ...]]) -> None:
    ada = Person.objects.order_by("pk")[0]
    corrections.correct(MAY, ada.pseudonym, ada.project_id, issuer="", patient_id="AE-NEW", purpose="typo")
    fill()
    assert studykeys.bearers_of(ada.project_id, "AE-NEW") == {ada.pseudonym}
    assert studykeys.bearers_of(ada.project_id, ADA.id) == set()
    assert len(studykeys.studies_of(ada.project_id, ["ACC-9"])) == 1


def test_whoever_was_forgotten_stays_so(keys: set[tuple[Any, ...]]) -> None:
    for ben in Person.objects.filter(pseudonym=Study.objects.latest("pk").patient):
        forget.forget(MAY, ben.pseudonym, ben.project_id, "asked for it")
    left = lacking.lacking().count()
    assert len(fill()) >= 1
    assert StudyKey.objects.values("uid").distinct().count() == left
    assert not StudyKey.objects.filter(person__forgotten_at__isnull=False).exists()
    assert [one.level for one in examine_numbers()] == [OK]


@pytest.mark.parametrize("lost", ["row", "token"])
def test_without_a_seal_the_patient_id_is_known_and_it_is_not_tried_again(
    keys: set[tuple[Any, ...]], lost: str
) -> None:
    if lost == "row":
        for seal in list(Seal.objects.all()):
            seals.drop(seal.project_id, [seal.sop_uid])
    else:
        Seal.objects.update(token=b"broken")
    fill()
    assert lacking.lacking().count() == 0
    ada = Person.objects.order_by("pk")[0]
    assert studykeys.bearers_of(ada.project_id, ADA.id) == {ada.pseudonym}
    assert studykeys.studies_of(ada.project_id, ["ACC-9"]) == set()


def test_a_study_that_says_neither_is_looked_at_once(data: Path) -> None:
    project = Project.objects.create(name="default")
    Route.objects.create(called_ae="DEFAULT", project=project)
    route = load_table().route_for("DEFAULT", "CT_EAST")
    assert route is not None
    plan = StudyPlan(accession="", extra={"PatientID": ""})
    assert send(route, cast.ct(plan)) == 0
    made = known()
    assert (len(made), lacking.lacking().count()) == (1, 0)
    StudyKey.objects.all().delete()
    assert fill() == [1]
    assert (known(), lacking.lacking().count()) == (made, 0)


def test_it_says_now_and_then_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 11.0, 11.0, 12.0])
    progress = numbers._telling(lambda: next(times))
    for done in (200, 400, 600):
        progress(done)
    assert capsys.readouterr().err == "Made the keys of 400 studies so far.\n"

"""A route's rules look at the description as it was sent; what is kept of the image has none any more."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy import pipeline
from proxy.deliveries import ledger
from proxy.deliveries.whereabouts import whereabouts
from proxy.quarantine import decide, keeping
from proxy.quarantine.models import HeldItem
from proxy.reception import held
from proxy.routing.match import RouteFacts, load_table
from proxy.routing.models import Project, Route
from proxy.studies import excluding
from proxy.studies.models import Exclusion, Instance, Revision, Series, Study
from tests import cast
from tests.reception.sending import send

pytestmark = pytest.mark.django_db


@pytest.fixture
def route(route: RouteFacts) -> RouteFacts:
    Route.objects.update(exclude=["*dose*", "Patient Protocol"])
    found = load_table().route_for("DICOMRCV", "CT_EAST")
    assert found is not None
    return found


def named(description: str, instance: int = 1, series: int = 2) -> Dataset:
    image = cast.ct(instance=instance, series=series)
    image.SeriesDescription = description
    return image


def open_to_screens(folder: Path) -> RouteFacts:
    """The burned-in gate knows such descriptions, too; here the recipe lets them pass it."""
    recipe = folder / "open.yaml"
    recipe.write_text("name: open\nextends: basic\nburned-in: accept\n")
    Project.objects.update(recipe=str(recipe))
    found = load_table().route_for("DICOMRCV", "CT_EAST")
    assert found is not None
    return found


def test_what_a_rule_fits_is_set_aside_though_its_description_is_removed(
    route: RouteFacts, data: Path, tmp_path: Path
) -> None:
    route = open_to_screens(tmp_path)
    assert send(route, cast.ct()) == 0
    assert send(route, named("PATIENT PROTOCOL")) == 0
    assert Revision.objects.count() == 2
    aside = Revision.objects.exclude(series=None).get()
    assert (Exclusion.objects.get().rule, aside.total) == ("Patient Protocol", 1)
    kept = dcmread(data / "studies" / Instance.objects.get(revision=aside).path)
    assert "SeriesDescription" not in kept
    assert Series.objects.get(excluded=True).description == ""


def test_others_are_not(route: RouteFacts) -> None:
    for number, description in enumerate(("Thorax", "", "Protocol 2"), 2):
        assert send(route, named(description, series=number)) == 0
    assert not Exclusion.objects.exists()
    assert Revision.objects.get().total == 3


def test_the_same_image_twice_is_as_once(route: RouteFacts) -> None:
    assert send(route, named("Low Dose")) == send(route, named("Low Dose")) == 0
    assert Instance.objects.count() == Revision.objects.get().total == 1


def test_a_rule_that_comes_later_changes_nothing_of_what_is_here(route: RouteFacts) -> None:
    assert send(route, named("Localizer")) == 0
    Route.objects.update(exclude=["localizer"])
    later = load_table().route_for("DICOMRCV", "CT_EAST")
    assert later is not None
    assert send(later, named("Localizer", 2)) == 0
    by_series = {revision.series_id is None: revision.total for revision in Revision.objects.all()}
    assert by_series == {True: 1, False: 1}


# --- what a gate stops, too ---------------------------------------------------------------------------------


def balanced() -> tuple[int, int, int]:
    """Received, excluded, held."""
    [line] = ledger.balance()
    assert line.difference == 0
    return line.received, line.excluded, line.held


def test_what_a_gate_stops_and_a_rule_excludes_waits_for_nobody(route: RouteFacts) -> None:
    assert send(route, cast.ct()) == send(route, named("Dose Report")) == 0
    item = HeldItem.objects.get()
    assert (item.state, item.decided_by) == ("discarded", "rule")
    assert item.comment == "Its series is excluded by the rule “*dose*”."
    assert (keeping.folder() / item.path).is_file(), "discarding deletes nothing"
    assert balanced() == (2, 1, 0)
    said = [str(one) for one in whereabouts(Study.objects.get(), None, item.held_at)]
    assert said[0] == (
        "1 image is kept in quarantine and will not leave: Its series is excluded by the rule “*dose*”."
        " Nothing needs to be done."
    )


def test_and_comes_again_as_once(route: RouteFacts) -> None:
    for _ in range(3):
        assert send(route, named("Dose Report")) == 0
    assert HeldItem.objects.count() == 1
    assert len(list(keeping.folder().rglob("*.sealed"))) == 1


def test_a_person_holds_it_again_and_it_is_set_aside_when_it_is_released(route: RouteFacts) -> None:
    assert send(route, named("Dose Report")) == 0
    item = HeldItem.objects.get()
    assert decide.hold_again(item, "ada", "the physicist asks for it")
    assert not decide.hold_again(item, "ada")
    assert balanced() == (1, 0, 1)
    held.release(item.pk, "ada")
    Revision.objects.update(quiet_at=item.held_at)
    assert pipeline.settle(item.held_at) == 0
    assert Revision.objects.get().state == "excluded"
    assert balanced() == (1, 1, 0)


def test_of_a_series_that_a_person_included_the_next_is_held_for_a_person(route: RouteFacts) -> None:
    assert send(route, named("Dose Report")) == 0
    item = HeldItem.objects.get()
    decide.hold_again(item, "ada")
    held.release(item.pk, "ada")
    excluding.include(Series.objects.get(), "ada", item.held_at, "the physicist asks for it")
    assert send(route, named("Dose Report", 2)) == 0
    assert [one.state for one in HeldItem.objects.order_by("pk")] == ["released", "held"]


def test_what_was_discarded_is_not_held_again_without_its_file_or_beside_its_twin(route: RouteFacts) -> None:
    assert send(route, named("Dose Report")) == 0
    item = HeldItem.objects.get()
    HeldItem.objects.update(file_gone_at=item.held_at)
    assert not decide.hold_again(item, "ada")
    HeldItem.objects.update(file_gone_at=None)
    Route.objects.update(exclude=[])
    without = load_table().route_for("DICOMRCV", "CT_EAST")
    assert without is not None
    assert send(without, named("Dose Report")) == 0
    assert not decide.hold_again(item, "ada"), "the same image is held once"
    assert sorted(one.state for one in HeldItem.objects.all()) == ["discarded", "held"]


def test_two_images_of_one_uid_are_a_persons_matter_whatever_the_rule(route: RouteFacts) -> None:
    assert send(route, named("Low Dose")) == 0
    other = named("Low Dose")
    other.PixelData = bytes(len(other.PixelData))
    assert send(route, other) == 0
    assert HeldItem.objects.get().state == "held"

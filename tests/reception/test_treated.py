"""What is kept of the engine's report."""

import json

import pytest

from proxy import pipeline
from proxy.deid import KEEP_ALL, Engine, Report, load_recipe
from proxy.quarantine.models import HeldItem
from proxy.reception.treated import said
from proxy.routing.match import RouteFacts
from proxy.studies.models import Instance, Treatment
from tests import cast
from tests.reception.sending import send

REPORT = Report(
    "basic", "2026c", ("uids",), ((0x00100010, "replace"), (0x00100010, "replace")), (0x00101000,)
)


def test_it_counts_actions_by_attribute_and_names_recipe_and_gates() -> None:
    engine = Engine(load_recipe("basic"))
    content = json.loads(said(REPORT, engine, frozenset({"burned-in"})).content)
    assert content["actions"] == {"00100010": {"replace": 2}, "00101000": {"delete": 1}}
    assert content["recipe"]["name"] == "basic" and content["recipe"]["fingerprint"] == engine.fingerprint
    assert content["gates"]["settings"]["burned-in"] == "quarantine"
    assert content["gates"]["opened"] == ["burned-in"]


def test_what_was_treated_alike_has_one_digest_and_what_was_not_has_another() -> None:
    engine, other = Engine(load_recipe("basic")), Engine(load_recipe("research"))
    one = said(REPORT, engine, frozenset())
    assert said(REPORT._replace(), engine, frozenset()) == one and len(one.digest) == 32
    assert said(REPORT._replace(hunted=1), engine, frozenset()).digest != one.digest
    assert said(REPORT, other, frozenset()).digest != one.digest
    assert said(REPORT, engine, frozenset({"burned-in"})).digest != one.digest


def test_a_fingerprint_is_of_the_rules_and_not_of_where_they_stand() -> None:
    basic = load_recipe("basic")
    assert Engine(basic).fingerprint == Engine(load_recipe("basic")).fingerprint
    assert Engine(basic).fingerprint != Engine(KEEP_ALL).fingerprint


@pytest.mark.django_db
def test_every_image_says_what_was_done_to_it_and_alike_ones_share_it(route: RouteFacts) -> None:
    for number in (1, 2, 3):
        assert send(route, cast.ct(instance=number)) == 0
    treatment = Treatment.objects.get()
    assert set(Instance.objects.values_list("treatment", flat=True)) == {treatment.digest}
    assert "00100010" in treatment.content["actions"]
    said_aloud = json.dumps(treatment.content)
    assert not any(needle in said_aloud for needle in cast.NEEDLES)


@pytest.mark.django_db
def test_an_image_that_a_person_let_pass_says_so(route: RouteFacts) -> None:
    image = cast.ct()
    image.BurnedInAnnotation = "YES"
    send(route, image)
    pipeline.release_held(HeldItem.objects.get().pk, "ada")
    treatment = Treatment.objects.get(pk=Instance.objects.get().treatment_id)
    assert treatment.content["gates"]["opened"] == ["burned-in"]

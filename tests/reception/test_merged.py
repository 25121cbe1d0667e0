"""A late image of a study whose patient was merged meanwhile: it stays with its study."""

import pytest

from proxy.quarantine.models import HeldItem
from proxy.routing.match import RouteFacts
from proxy.studies.models import Instance, Study
from proxy.vault.corrections import merge
from proxy.vault.pseudonyms import find_person
from proxy.vault.reidentify import Principal
from tests import cast
from tests.reception.sending import send

pytestmark = pytest.mark.django_db(transaction=True)


def pseudonym_of(route: RouteFacts, patient: cast.Patient) -> str:
    known = find_person(route.project_id, "", patient.id)
    assert known is not None
    return known.pseudonym


def test_promise_5_a_late_image_of_a_merged_patient_stays_with_its_study(route: RouteFacts) -> None:
    first = cast.StudyPlan(patient=cast.ADA, number=1)
    assert send(route, cast.ct(first, instance=1)) == 0
    assert send(route, cast.ct(cast.StudyPlan(patient=cast.BEN, number=2), instance=1)) == 0
    ada, ben = pseudonym_of(route, cast.ADA), pseudonym_of(route, cast.BEN)
    merge(Principal("officer", lambda permission: True), ada, ben, route.project_id, "ADT A40")
    assert send(route, cast.ct(cast.StudyPlan(patient=cast.BEN, number=1), instance=2)) == 0
    assert send(route, cast.ct(cast.StudyPlan(patient=cast.ADA, number=3), instance=1)) == 0
    assert not HeldItem.objects.exists()
    assert sorted(Study.objects.values_list("patient", flat=True)) == sorted([ada, ben, ben])
    assert Instance.objects.filter(revision__study__patient=ada).count() == 2

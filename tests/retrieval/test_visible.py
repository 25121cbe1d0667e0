"""What may leave the house may be asked for, and nothing else."""

import pytest
from django.utils import timezone

from proxy.retrieval.views import View
from proxy.retrieval.visible import instances
from proxy.routing.models import Route
from proxy.studies import lifecycle
from proxy.studies.models import Study
from tests.deliveries.builders import a_revision

pytestmark = pytest.mark.django_db

ALL = View("ANY", frozenset())


@pytest.mark.parametrize(
    ("state", "review", "seen"),
    [
        (lifecycle.RECEIVING, False, 3),
        (lifecycle.COMPLETE, False, 3),
        (lifecycle.RELEASED, False, 3),
        (lifecycle.DELIVERED, True, 3),
        (lifecycle.RECEIVING, True, 0),
        (lifecycle.REVIEW, True, 0),
        (lifecycle.REJECTED, True, 0),
        (lifecycle.EXPIRED, False, 0),
    ],
)
def test_by_the_state_of_a_revision(state: str, review: bool, seen: int) -> None:
    a_revision(state=state)
    Route.objects.update(review=review)
    assert instances(ALL).count() == seen


def test_a_held_study_is_out_of_sight_and_so_is_another_project() -> None:
    revision = a_revision()
    project = revision.study.project_id
    assert instances(View("ANY", frozenset({project}))).count() == 3
    assert instances(View("ANY", frozenset({project + 1}))).count() == 0
    Study.objects.update(held_at=timezone.now())
    assert instances(ALL).count() == 0

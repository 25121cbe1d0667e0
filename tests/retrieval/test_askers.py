"""Which projects ask for a second person is what the site says now."""

import pytest

from proxy.retrieval.askers import asker
from proxy.routing.models import Project
from proxy.routing.site import apply, read

pytestmark = pytest.mark.django_db


def test_projects_that_want_a_second_person_are_watched() -> None:
    apply(read("projects: [{name: default}, {name: trial, second_approver: true}]"), "test")
    assert asker("ada", lambda permission: True).watched == {Project.objects.get(name="trial").pk}

"""What two processes do at the same moment ends as if they had taken turns."""

import pytest

from proxy.vault.models import Person, ProjectKey
from proxy.vault.pseudonyms import Known, forget_cache, person_for
from tests.vault.crowd import at_once

pytestmark = pytest.mark.django_db(transaction=True)
PROCESSES, PERSONS = 4, 25


def meet_them_all(number: int) -> list[Known]:
    forget_cache()
    return [person_for(1, "EAST", f"AE-{who}", {"name": "Example^Ada"}, "1.2") for who in range(PERSONS)]


def test_promise_5_two_processes_that_meet_a_new_person_at_once_get_one_row() -> None:
    first, *others = at_once(PROCESSES, meet_them_all)
    assert all(other == first for other in others)
    assert Person.objects.count() == PERSONS
    assert ProjectKey.objects.count() == 1

"""Who is on the list of the forgotten and lives is told, until a person forgets them again."""

from io import StringIO

import pytest
from django.core.management import call_command

from proxy.management.doctor.findings import FAIL, OK
from proxy.management.doctor.forgotten import examine_forgotten
from proxy.vault.forget import forget
from proxy.vault.forgotten import Listed, listed, remember
from proxy.vault.models import Person
from proxy.vault.pseudonyms import person_for
from proxy.vault.reidentify import Principal
from tests.scene import Scene

MAY = Principal("officer", lambda permission: True)


def levels() -> list[str]:
    return [one.level for one in examine_forgotten()]


def test_promise_8_whoever_is_listed_and_lives_is_wrong_until_they_are_forgotten(scene: Scene) -> None:
    assert levels() == [OK]
    before = Person.objects.values().get()
    forget(MAY, scene.person.pseudonym, scene.person.project_id, "request")
    assert levels() == [OK]
    Person.objects.update(**before)  # as a restore that was cut off leaves it
    [found] = examine_forgotten()
    assert found.level == FAIL and found.repair is None
    assert scene.person.pseudonym in found.sentence and "`person forget`" in found.sentence
    forget(MAY, scene.person.pseudonym, scene.person.project_id, "request")
    assert levels() == [OK]


def test_promise_5_an_id_that_was_used_and_is_unknown_here_is_used_up(scene: Scene) -> None:
    """Put back by hand is a database from before they came."""
    known = person_for(scene.person.project_id, "", "CS-1234", {}, "1.2.3")
    forget(MAY, known.pseudonym, scene.person.project_id, "request")
    Person.objects.filter(pk=known.person_id).delete()
    [found] = examine_forgotten()
    assert found.level == FAIL and found.repair is not None
    assert found.repair() == "1 id of forgotten persons used up."
    assert levels() == [OK]
    assert person_for(scene.person.project_id, "", "CS-1234", {}, "1.2.3").generation == 1


def test_repair_erases_nobody_who_lives(scene: Scene) -> None:
    ada = scene.person
    remember(Listed(ada.project_id, ada.pseudonym, "aa" * 32, 0))
    living, unknown = examine_forgotten()
    assert (living.repair, unknown.level) == (None, FAIL)
    assert unknown.repair is not None and unknown.repair().startswith("0 ids")
    assert Person.objects.get(pk=ada.pk).forgotten_at is None


def test_the_doctor_looks_at_the_list(scene: Scene) -> None:
    remember(Listed(scene.person.project_id, scene.person.pseudonym))
    assert len(listed()) == 1
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("doctor", stdout=out)
    assert "FAIL  forgotten: 1 person on the list" in out.getvalue()

"""`person`: what the hospital finds out, decided by whoever may, and no Patient ID on the command line."""

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command

from proxy.routing.models import Project
from proxy.vault.models import Person
from proxy.vault.pseudonyms import find_person, person_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def project(own_folders: Path) -> int:
    ada = User.objects.create_user("ada")
    ada.user_permissions.set(Permission.objects.filter(codename__in=["correct_person", "forget_person"]))
    User.objects.create_user("intern")
    return int(Project.objects.create(name="default").pk)


def meet(project: int, patient_id: str) -> str:
    return person_for(project, "", patient_id, {"name": "Exampleova^Ada"}, "1.2.3").pseudonym


def said(*words: str, who: str = "ada") -> str:
    out = io.StringIO()
    call_command("person", *words, "--as", who, "--purpose", "ADT A40", stdout=out)
    return out.getvalue()


def test_merge(project: int) -> None:
    one, other = meet(project, "AE-1"), meet(project, "AE-2")
    assert said("merge", one, other) == f"2 persons are {other} from now on.\n"
    assert meet(project, "AE-1") == other


def test_correct_reads_the_id_from_standard_input(project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = meet(project, "AE-1")
    monkeypatch.setattr("sys.stdin", io.StringIO("AE-7\n"))
    assert "AE-7" not in said("correct", one)
    known = find_person(project, "", "AE-7")
    assert known is not None
    assert known.pseudonym == one


def test_forget(project: int) -> None:
    one = meet(project, "AE-1")
    assert said("forget", one) == f"0 seals of {one} will never open again.\n"
    assert Person.objects.get().forgotten_at is not None


@pytest.mark.parametrize(
    ("words", "who", "why"),
    [
        (("merge", "ANON-A", "ANON-B"), "ada", "Nobody of one of these"),
        (("merge", "ANON-A", "ANON-A"), "ada", "Nobody is merged into themselves."),
        (("merge", "ANON-A", "ANON-B"), "intern", "refused"),
        (("forget", "ANON-A"), "nobody", "There is no such user"),
        (("forget", "ANON-A", "--project", "other"), "ada", "There is no such project."),
    ],
)
def test_what_cannot_be_is_said(project: int, words: Any, who: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        said(*words, who=who)

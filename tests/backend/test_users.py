"""Whom the backend says a token belongs to: it may say it in several ways, and anything else is nobody."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from proxy.backend import users
from proxy.backend.models import UserRight
from proxy.backend.rights import projects_of
from proxy.backend.users import BackendUser, read
from proxy.routing.models import Project

ADA: dict[str, Any] = {"id": 17, "email": "ada@ward.example", "role": "Radiologist"}
IDS = ("w1", "p1")


def said(user: object = ADA, **more: object) -> dict[str, object]:
    return {"id": "p1", "workspace_id": "w1", "user": user, **more}


@pytest.mark.parametrize(
    ("what", "user"),
    [
        (said(), BackendUser("17", "ada@ward.example", frozenset({"radiologist"}))),
        ({"user_info": ADA}, BackendUser("17", "ada@ward.example", frozenset({"radiologist"}))),
        ({"current_user": {"user_id": "u-9"}}, BackendUser("u-9")),
        (said({"id": 1, "username": "ada"}), BackendUser("1", "ada")),
        (said({"id": 1, "role": {"name": " Head  Nurse "}}), BackendUser("1", "", frozenset({"head nurse"}))),
        (
            said({"id": 1, "roles": ["a", {"name": "b"}, 3, None, {}, "x" * 65, "c\x00"]}),
            BackendUser("1", "", frozenset({"a", "b"})),
        ),
        (said({"id": 1, "workspace_role": "admin"}), BackendUser("1", "", frozenset({"admin"}))),
        (said({"id": 1}, user_role="viewer"), BackendUser("1", "", frozenset({"viewer"}))),
        (said({"id": 1, "email": "a\nb", "username": 5}), BackendUser("1")),
        (said({"id": 1, "email": "x" * 500, "is_superuser": True}), BackendUser("1")),
        (said({"id": 1}, role="admin"), BackendUser("1")),  # of the proxy, not of the user
    ],
)
def test_who_it_is(what: dict[str, object], user: BackendUser) -> None:
    assert read(what, *IDS) == user


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({}, users.NOBODY),
        (said(None), users.NOBODY),
        (said("ada"), users.NOBODY),
        (said([ADA]), users.NOBODY),
        (said({}), users.NOBODY),
        (said({"id": ""}), users.NOBODY),
        (said({"id": True}), users.NOBODY),
        (said({"id": "../1"}), users.NOBODY),
        (said({"id": "x" * 65}), users.NOBODY),
        (said({"id": {"id": 1}}), users.NOBODY),
        (said({"id": 1, "is_active": False}), users.LEFT),
        (said(valid=False), users.NOT_VALID),
        (said(is_valid=False), users.NOT_VALID),
        (said() | {"id": "p2"}, users.ELSEWHERE),
        (said() | {"workspace_id": "w2"}, users.ELSEWHERE),
        (said() | {"workspace_id": ["w1"]}, users.ELSEWHERE),
    ],
)
def test_who_it_is_not(what: dict[str, object], why: str) -> None:
    assert read(what, *IDS) == why


def test_the_audit_names_them_by_their_id_first() -> None:
    assert str(BackendUser("17", "ada@ward.example")) == "backend user 17 (ada@ward.example)"
    assert str(BackendUser("17")) == "backend user 17"


# --- rights ---------------------------------------------------------------------------------------

TODAY = date(2026, 3, 1)


def right(whom: str, name: str, project: Project, until: date = TODAY) -> UserRight:
    one = UserRight(whom=whom, name=name, project=project, until=until)
    one.full_clean()
    one.save()
    return one


@pytest.mark.django_db
def test_nobody_has_a_right_that_no_person_gave() -> None:
    Project.objects.create(name="default")
    assert projects_of(BackendUser("17", "", frozenset({"admin"})), TODAY) == frozenset()


@pytest.mark.django_db
def test_a_right_is_of_a_user_or_a_role_in_a_project_and_ends() -> None:
    east, west, gone = (Project.objects.create(name=name) for name in ("east", "west", "gone"))
    right("user", "17", east)
    right("role", "  Radiologist ", west)
    right("role", "radiologist", gone)
    Project.objects.filter(pk=gone.pk).update(retired_at=timezone.now())
    ada = BackendUser("17", "", frozenset({"radiologist", "admin"}))
    assert projects_of(ada, TODAY) == {east.pk, west.pk}
    assert projects_of(BackendUser("18", "", frozenset({"radiologist"})), TODAY) == {west.pk}
    assert projects_of(BackendUser("radiologist", "17", frozenset({"17"})), TODAY) == frozenset()
    assert projects_of(ada, TODAY + timedelta(days=1)) == frozenset()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("whom", "name"), [("user", "a b"), ("user", "ada@ward"), ("role", " "), ("role", "a\x00b")]
)
def test_a_right_of_somebody_who_cannot_be_is_not_given(whom: str, name: str) -> None:
    with pytest.raises(ValidationError):
        right(whom, name, Project.objects.create(name="default"))

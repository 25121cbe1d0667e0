"""What the doctor says of the doors for programs, and of the backend's users who may look behind pseudonyms."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.backend.models import Standing, UserRight
from proxy.management.doctor.doors import examine_doors
from proxy.routing.models import Project
from tests.backend.said import configuration

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def told(settings: LazySettings) -> Iterator[None]:
    settings.ITH_URL = "https://backend.example"
    settings.ALLOWED_HOSTS = ["10.1.0.9"]
    Standing.objects.create(pk=1, said=configuration())
    yield


def lines() -> list[tuple[str, str]]:
    return [(one.level, one.sentence) for one in examine_doors()]


def right(days: int = 10) -> UserRight:
    project, _ = Project.objects.get_or_create(name="default")
    name = f"role {UserRight.objects.count()}"
    until = timezone.now().date() + timedelta(days=days)
    return UserRight.objects.create(whom="role", name=name, project=project, until=until)


def test_doors_that_are_closed_are_fine() -> None:
    assert lines() == [("ok", "no door is open wider than it has to be.")]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("API_DOCS", True),
        ("API_IDENTITIES_BY_HTTP", True),
        ("API_TRUSTED_PROXIES", [ip_network("0.0.0.0/0")]),
        ("API_TRUSTED_PROXIES", [ip_network("10.0.0.1"), ip_network("::/0")]),
    ],
)
def test_what_is_loose_is_named(settings: LazySettings, name: str, value: object) -> None:
    setattr(settings, name, value)
    [(level, sentence)] = lines()
    assert level == "warn" and name in sentence


def test_rights_in_force_are_counted_and_those_that_ran_out_are_told() -> None:
    right()
    right(0)
    right(-1)
    assert lines() == [
        ("warn", "1 right of the backend's users has run out; renew or delete in the admin."),
        ("ok", "2 rights of the backend's users to see identities in force."),
    ]


def test_rights_of_a_retired_project_are_nobodys() -> None:
    right()
    Project.objects.update(retired_at=timezone.now())
    assert [level for level, _ in lines()] == ["ok"]


def test_rights_that_nobody_could_confirm_are_told(settings: LazySettings) -> None:
    right()
    Standing.objects.update(said={})
    assert any("which proxy we are" in sentence for _, sentence in lines())
    settings.ITH_URL = ""
    assert any("ITH_URL names none" in sentence for _, sentence in lines())


def test_users_who_are_sent_to_a_name_that_we_do_not_let_in_are_told(settings: LazySettings) -> None:
    right()
    assert [level for level, _ in lines()] == ["ok"]
    settings.ALLOWED_HOSTS = ["localhost"]
    assert any("reach us as 10.1.0.9" in sentence for _, sentence in lines())

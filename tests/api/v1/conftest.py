from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from proxy.api.v1.audit import verdict
from proxy.staff import tokens
from tests.web.conftest import keys, scene

__all__ = ["keys", "scene"]


def staff(*permissions: str, name: str = "ada") -> Client:
    """A program with a token of somebody of the staff who may this and nothing else; `*` is everything."""
    user = User.objects.create(username=name, is_staff=True, is_superuser="*" in permissions)
    for one in permissions:
        if one != "*":
            app, codename = one.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    now = timezone.now()
    _, shown = tokens.make(user, "test", now + timedelta(days=1), "test", now)
    return Client(headers={"Authorization": f"Bearer {shown}"})


@pytest.fixture(autouse=True)
def no_verdict_of_before() -> None:
    verdict.forget()


@pytest.fixture
def chief(scene: object) -> Iterator[Client]:
    yield staff("*", name="chief")

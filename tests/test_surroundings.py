"""What the suite promises its tests about their database."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from proxy.routing.models import Destination, Project, Route
from tests import emptying


@pytest.mark.django_db
def test_rows_that_nobody_ordered_come_backwards() -> None:
    if connection.vendor == "sqlite":
        for name in ("a", "b", "c"):
            Project.objects.create(name=name)
        assert [one.name for one in Project.objects.order_by()] == ["c", "b", "a"]


@pytest.mark.django_db(transaction=True)
def test_what_a_test_committed_is_gone_and_what_migrations_made_is_not() -> None:
    kept = Permission.objects.count(), ContentType.objects.count()
    project = Project.objects.create(name="default")
    Route.objects.create(called_ae="A", project=project).destinations.add(
        Destination.objects.create(name="d", kind="folder", path="d")
    )
    emptying.empty()
    assert not any(
        model.objects.exists() for model in (Project, Route, Destination, Route.destinations.through)
    )
    assert kept == (Permission.objects.count(), ContentType.objects.count())
    assert all(kept)

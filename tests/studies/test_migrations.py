"""What migrations add can be taken away again."""

from importlib import import_module

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from proxy.studies.models import Study

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE, AFTER = ("studies", "0005_what_is_over_is_kept_from_now"), ("studies", "0006_more_of_what_images_say")


def columns(table: str) -> set[str]:
    with connection.cursor() as cursor:
        return {one.name for one in connection.introspection.get_table_description(cursor, table)}


def test_the_columns_of_more_keys_come_and_go() -> None:
    added = import_module(f"proxy.studies.migrations.{AFTER[1]}").COLUMNS
    names = {f"studies_{model}": {name for name, *_ in some} for model, some in added.items()}
    try:
        MigrationExecutor(connection).migrate([BEFORE])
        assert not any(some & columns(table) for table, some in names.items())
        MigrationExecutor(connection).migrate([AFTER])
        assert all(some <= columns(table) for table, some in names.items())
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
    assert Study.objects.count() == 0

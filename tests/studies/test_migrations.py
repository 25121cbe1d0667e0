"""What migrations add can be taken away again, with the rows staying where they are."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from proxy.studies.models import Instance, Series, Study

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE, AFTER = ("studies", "0005_what_is_over_is_kept_from_now"), ("studies", "0006_more_of_what_images_say")


def columns(table: str) -> set[str]:
    with connection.cursor() as cursor:
        return {one.name for one in connection.introspection.get_table_description(cursor, table)}


def test_the_columns_of_more_keys_come_and_go() -> None:
    models = {"studies_study": Study, "studies_series": Series, "studies_instance": Instance}
    whole = {table: {one.column for one in model._meta.concrete_fields} for table, model in models.items()}
    try:
        MigrationExecutor(connection).migrate([BEFORE])
        lacking = {table: whole[table] - columns(table) for table in models}
        assert {table: len(some) for table, some in lacking.items()} == {
            "studies_study": 7,
            "studies_series": 11,
            "studies_instance": 4,
        }
        MigrationExecutor(connection).migrate([AFTER])
        assert all(whole[table] <= columns(table) for table in models)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())

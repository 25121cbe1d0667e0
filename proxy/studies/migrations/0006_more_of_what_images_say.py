"""Columns for more keys of queries. Both databases add and drop such a column at once, however long the table is;
Django would have SQLite copy the whole table for each of them."""

from collections.abc import Iterator

from django.db import migrations, models
from django.db.migrations.operations.base import Operation

NESTED = "What of a sequence is kept, as JSON (nested.py)."
COLUMNS = {
    "study": [
        ("issuer", 64, "Of the Patient ID; empty where the recipe removes it."),
        ("referring", 255, "Referring physician, where the recipe keeps the name."),
        ("age", 4, ""),
        ("patient_size", 16, ""),
        ("patient_weight", 16, ""),
        ("timezone", 16, "Offset from UTC of the times of its first image."),
        ("procedure_codes", 0, NESTED),
    ],
    "series": [
        ("laterality", 16, ""),
        ("performed_date", 8, "When its procedure step began."),
        ("performed_time", 16, ""),
        ("performed_id", 16, ""),
        ("protocol", 64, ""),
        ("institution", 64, ""),
        ("manufacturer", 64, ""),
        ("model", 64, ""),
        ("station", 16, ""),
        ("anatomic_region", 0, NESTED),
        ("request_attributes", 0, NESTED),
    ],
    "instance": [
        ("pixel_rows", 5, ""),
        ("pixel_columns", 5, ""),
        ("bits", 5, "Bits allocated for each value of a pixel."),
        ("frames", 12, "Empty where there is one."),
    ],
}


def field(most: int, help_text: str) -> "models.Field[str, str]":
    said = {"blank": True, "default": "", "db_default": "", "help_text": help_text}
    return models.CharField(max_length=most, **said) if most else models.TextField(**said)


def added() -> Iterator[Operation]:
    for model, columns in COLUMNS.items():
        for name, most, help_text in columns:
            kind = f"varchar({most})" if most else "text"
            yield migrations.RunSQL(
                f"ALTER TABLE studies_{model} ADD COLUMN {name} {kind} DEFAULT '' NOT NULL",
                f"ALTER TABLE studies_{model} DROP COLUMN {name}",
                state_operations=[migrations.AddField(model, name, field(most, help_text))],
            )


class Migration(migrations.Migration):
    dependencies = [("studies", "0005_what_is_over_is_kept_from_now")]
    operations = list(added())

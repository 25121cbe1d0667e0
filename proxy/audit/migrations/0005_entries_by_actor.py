from django.db import migrations, models


class Migration(migrations.Migration):
    """An index of its own: to SQLite another column option would be another table, without its triggers."""

    dependencies = [("audit", "0004_entries_are_not_replaced")]
    operations = [
        migrations.AddIndex(
            model_name="entry", index=models.Index(fields=["actor"], name="audit_entry_by_actor")
        )
    ]

from typing import Any

from django.db import migrations
from django.utils import timezone


def begin_retention(apps: Any, schema_editor: Any) -> None:
    """Nobody noted when these were delivered or rejected: their files stay for a whole term from now."""
    now = timezone.now()
    rows = apps.get_model("studies", "Revision").objects.filter(ended_at=None)
    rows.filter(state__in=["delivered", "rejected"]).update(ended_at=now, look_at=now)


class Migration(migrations.Migration):
    dependencies = [("studies", "0004_revisions_expire")]
    operations = [migrations.RunPython(begin_retention, migrations.RunPython.noop)]

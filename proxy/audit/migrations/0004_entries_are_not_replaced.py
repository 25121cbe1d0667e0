from typing import Any

from django.db import migrations

from proxy.audit import guard


def install(apps: Any, schema_editor: Any) -> None:
    guard.install(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_what_was_forwarded")]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]

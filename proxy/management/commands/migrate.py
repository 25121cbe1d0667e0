"""Django's migrate, on an empty DATA_DIR too, and one at a time: several processes may start at once."""

from typing import Any

from django.core.management.commands.migrate import Command as Migrate

from proxy.management.folders import make_folders
from proxy.management.turn import only_one


class Command(Migrate):
    def handle(self, *args: Any, **options: Any) -> None:
        make_folders()
        with only_one():
            super().handle(*args, **options)

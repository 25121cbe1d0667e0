"""Django's createsuperuser, as the first command, too: that somebody may do everything leaves a mark, under a key."""

from typing import Any

from django.contrib.auth.management.commands.createsuperuser import Command as CreateSuperuser

from proxy.management.start import prepare


class Command(CreateSuperuser):
    def handle(self, *args: Any, **options: Any) -> str | None:
        prepare()
        return super().handle(*args, **options)

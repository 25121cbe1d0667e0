"""Django's development server; its outer process starts the listener and the workers beside it (P13, P31).

Django's reloader runs this command twice, one process inside the other. Only the outer one is there once and
for as long as the server, so only it starts anything; `AppConfig.ready` never does.
"""

import os
from typing import Any

from django.conf import settings
from whitenoise.runserver_nostatic.management.commands.runserver import Command as Runserver

from proxy.management import start
from proxy.management.supervisor import Child, Service


class Command(Runserver):  # type: ignore[misc]
    default_port = str(settings.API_PORT)

    def run(self, **options: Any) -> None:
        if is_inner():
            super().run(**options)
            return
        for line in start.announce(start.prepare(admin=True)):
            self.stdout.write(line)
        beside = start_beside()
        try:
            super().run(**options)
        finally:
            beside.stop(60)


def is_inner() -> bool:
    return os.environ.get("RUN_MAIN") == "true"


def start_beside() -> Child:
    child = Child(Service.managed("serve", "--only", "listen", "link", "work"))
    if settings.DICOM_AUTO_START:
        child.start()
    return child

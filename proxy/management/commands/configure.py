"""Make the site file true."""

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.routing import site
from proxy.routing.site import Changes, Site, SiteError


class Command(TeachingCommand):
    help = (
        "Make the site file true: projects, nodes, destinations and routes. The whole file is checked before "
        "anything is written; running it again changes nothing. What the file no longer names is retired, "
        "never deleted. A running Postern follows within a second."
    )
    examples = (
        "configure site.yaml --dry-run     # what would change",
        "configure site.yaml",
        "export_site | python manage.py configure -",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("site", help="the site file; - reads it from standard input")
        parser.add_argument("--dry-run", action="store_true", help="check it and say what would change")

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = self._read(options["site"])
        prepare(first_site=False)
        changes = site.apply(wanted, console_user(), dry_run=options["dry_run"])
        self._say(changes, "would change" if options["dry_run"] else "changed")
        self._advise(wanted)

    def _read(self, name: str) -> Site:
        try:
            if name == "-":
                return site.read(text_of(name), "standard input", folder=Path.cwd())
            return site.read(text_of(name), Path(name).name, folder=Path(name).resolve().parent)
        except SiteError as error:
            for sentence in error.sentences:
                self.stderr.write(sentence)
            count = len(error.sentences)
            raise CommandError(f"Nothing was changed: {count} to mend in the site file.") from None

    def _say(self, changes: Changes, verb: str) -> None:
        for sentence in changes.sentences():
            self.stdout.write(sentence)
        self.stdout.write(f"{len(changes.all)} {verb}." if changes else "Everything is already so.")

    def _advise(self, wanted: Site) -> None:
        for route in wanted.routes:
            if not route.destinations:
                self.stdout.write(f"Note: route {route.name} has no destination; its studies stay here.")
        if not wanted.routes:
            self.stdout.write("Note: there is no route; every association will be rejected.")


def text_of(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise CommandError(f"{name} is not UTF-8 text.") from None

"""Write the configuration back as a site file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.routing import site


class Command(TeachingCommand):
    help = "Write what is in force as a site file, which `configure` reads back without a change."
    examples = ("export_site", "export_site site.yaml")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", nargs="?", help="where to write; standard output if not given")

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        text = site.export()
        if options["file"] is None:
            self.stdout.write(text, ending="")
        else:
            write(Path(options["file"]), text)


def write(path: Path, text: str) -> None:
    """Written beside and renamed: a full disk leaves the old file as it was."""
    beside = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from None

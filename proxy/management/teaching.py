"""The shape of our commands: `--help` says what the command is for and shows it in use."""

from argparse import RawDescriptionHelpFormatter
from textwrap import fill
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandParser, DjangoHelpFormatter

from proxy.audit.acting import console_user

__all__ = ["TeachingCommand", "console_user"]

EXAMPLES = "examples:"


class _Formatter(RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Keeps the lines of the examples as they are, and folds everything else."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith(EXAMPLES):
            return super()._fill_text(text, width, indent)
        return fill(text, width, initial_indent=indent, subsequent_indent=indent)


class TeachingCommand(BaseCommand):
    requires_system_checks: ClassVar[list[str]] = []  # type: ignore[misc]  # they load the pages: see `listen`
    examples: ClassVar[tuple[str, ...]] = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        lines = "\n".join(f"  python manage.py {example}" for example in self.examples)
        epilog = f"{EXAMPLES}\n{lines}" if lines else None
        return super().create_parser(
            prog_name, subcommand, formatter_class=_Formatter, epilog=epilog, **kwargs
        )

"""What a recipe does to every attribute, as a table."""

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from proxy.deid import RecipeError, load_recipe
from proxy.deid.describe import Row, describe
from proxy.deid.rules import show
from proxy.management.teaching import TeachingCommand


class Command(TeachingCommand):
    help = (
        "Show what a recipe does to each attribute of PS3.6, and whether a rule, an option, the table of PS3.15 or the "
        "default says so. A recipe that cannot be loaded is named with file and line, and the exit code is 1."
    )
    examples = ("describe basic", "describe research --find PatientWeight", "describe mine.yaml --json")

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("recipe", help="a shipped recipe's name or a file's path")
        parser.add_argument("--find", default="", help="only attributes whose keyword or tag holds this")
        parser.add_argument("--json", action="store_true", help="the rows as JSON")

    def handle(self, *args: Any, recipe: str, find: str, **options: Any) -> None:
        try:
            rows = [row for row in describe(load_recipe(recipe)) if _fits(row, find)]
        except RecipeError as error:
            raise CommandError(str(error)) from None
        if options["json"]:
            self.stdout.write(json.dumps([asdict(row) | {"tag": show(row.tag)} for row in rows]))
        else:
            self.stdout.writelines(f"{line}\n" for line in _lines(rows))


def _fits(row: Row, find: str) -> bool:
    return find.lower() in f"{row.keyword} {show(row.tag)}".lower()


def _lines(rows: Iterable[Row]) -> Iterable[str]:
    for row in rows:
        action = " ".join((row.action, *(repr(argument) for argument in row.arguments)))
        yield f"{show(row.tag)} {row.vr:2} {action:28} {row.where or row.source:8} {row.keyword}"

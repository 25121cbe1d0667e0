"""Take the identity out of files and folders."""

import sys
from argparse import ArgumentParser
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from proxy.deid import Engine, RecipeError
from proxy.deid.oneoff import recipe_with, rules_of
from proxy.management import batch
from proxy.management.batch import CLEAN, HELD, NOT_DICOM, REFUSED, Fate
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.routing.models import Project


class Command(TeachingCommand):
    help = (
        "De-identify a DICOM file, or all files below a folder, into OUT, which is made if it is not there. Clean "
        "files lie under pseudonym, study, series and instance, because names of files may be names of persons. "
        "Files that are no DICOM are not copied. Exit code 0 only if every DICOM file came out clean."
    )
    examples = (
        "deidentify scans clean",
        "deidentify scans clean --recipe research --project trial-7",
        "deidentify scans clean -t '(0x0010, 0x0040)' keep -t StudyDescription replace_with_value MR",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="IN", type=Path, help="a file or a folder")
        parser.add_argument("target", metavar="OUT", type=Path, help="the folder for clean files")
        parser.add_argument(
            "--recipe", help="a shipped recipe's name or a file's path; default: the project's"
        )
        parser.add_argument(
            "-t", dest="tags", action="append", nargs="+", default=[], metavar=("TAG", "ACTION"),
            help="a rule on top of the recipe, for instance -t '(0x0010,0x0020)' keep; may stand several times",
        )  # fmt: skip
        parser.add_argument(
            "--dictionary", type=Path, metavar="FILE.json", help="such rules as JSON: tag to action"
        )
        parser.add_argument(
            "--keepPrivateTags", action="store_true", help="private attributes stay, and are hunted"
        )
        parser.add_argument(
            "--project", default="default", help="whose pseudonyms are used (default: default)"
        )

    def handle(
        self, *args: Any, source: Path, target: Path, recipe: str, project: str, **options: Any
    ) -> None:
        prepare()
        owner = _project(project)
        engine = _engine(recipe or owner.recipe, options)
        files = _checked(source, target)
        fates = _work(files, target, engine, owner)
        _tell(files, fates, Console(soft_wrap=True))
        if any(fate.kind in {HELD, REFUSED} for fate in fates):
            sys.exit(1)


def _project(name: str) -> Project:
    found = Project.objects.filter(name=name, retired_at=None).first()
    if found is None:
        raise CommandError(f"There is no project {name}; `export_site` shows those there are.")
    return found


def _engine(recipe: str, options: dict[str, Any]) -> Engine:
    try:
        rules = rules_of(options["tags"], options["dictionary"])
        return Engine(recipe_with(recipe, rules, keep_private=options["keepPrivateTags"]))
    except RecipeError as error:
        raise CommandError(str(error)) from None


def _checked(source: Path, target: Path) -> list[Path]:
    """The files to do; IN and OUT may not lie in each other, or clean and identified files would mix."""
    if not source.exists():
        raise CommandError("IN is not there.")
    inside, outside = source.resolve(), target.resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise CommandError("IN and OUT may not lie in each other.")
    target.mkdir(parents=True, exist_ok=True)
    return batch.found(source)


def _work(files: list[Path], target: Path, engine: Engine, project: Project) -> list[Fate]:
    fates = []
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("De-identifying", total=len(files))
        for fate in batch.deidentified(files, target, engine, project):
            fates.append(fate)
            progress.advance(task)
    return fates


def _tell(files: list[Path], fates: list[Fate], console: Console) -> None:
    """Files are told by their place in the batch: their names may name somebody."""
    counts = Counter(fate.kind for fate in fates)
    table = Table("files", "what became of them")
    for kind in (CLEAN, HELD, REFUSED, NOT_DICOM):
        table.add_row(str(counts[kind]), kind)
    console.print(table)
    for number, (file, fate) in enumerate(zip(files, fates, strict=True), start=1):
        if fate.kind in {HELD, REFUSED}:
            console.print(
                f"file {number} ({file.stat().st_size} bytes) {fate.kind}: {fate.reason}", highlight=False
            )

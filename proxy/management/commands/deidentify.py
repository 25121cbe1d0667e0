"""Take the identity out of files and folders."""

import os
import sys
from argparse import ArgumentParser
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.progress import TransferSpeedColumn as BytesColumn

from proxy.deid import Engine, RecipeError
from proxy.deid.oneoff import recipe_with, rules_of
from proxy.management.batch import directory, mapping, naming, running, telling
from proxy.management.batch.fates import Done
from proxy.management.batch.finding import Found, find
from proxy.management.batch.naming import Naming
from proxy.management.batch.running import Told
from proxy.management.batch.telling import Tally
from proxy.management.batch.worker import Work
from proxy.management.start import prepare
from proxy.management.stopping import Told as Stop
from proxy.management.teaching import TeachingCommand
from proxy.routing.models import Project

NOT_ALL, STOPPED = 1, 130


class Command(TeachingCommand):
    help = (
        "De-identify a DICOM file, or all files below a folder, into OUT, which is made if it is not there. Clean "
        "files lie under pseudonym, study, series and instance, because names of files may be names of persons. "
        "The same batch again gives the same files; a file that is there is never replaced. Files that are no "
        "DICOM are not copied. A DICOMDIR is made anew. One bad file never ends the batch; files are told by their "
        "number. Exit code: 0 if every DICOM file came out clean, 1 if not or if nothing could begin, 130 if it "
        "was stopped (Ctrl-C); what was done till then is whole."
    )
    examples = (
        "deidentify scans clean",
        "deidentify scan.dcm clean.dcm",
        "deidentify scans clean --recipe research --project trial-7 --jobs 8",
        "deidentify scans clean --dry-run",
        "deidentify scans clean --keep-structure --map trial-7.csv",
        "deidentify cd-rom clean --dicomdir",
        "deidentify scans clean -t '(0x0010, 0x0040)' keep -t StudyDescription replace_with_value MR",
        "deidentify scans clean -t '(0x0008, 0x0020)' regexp '0701$' '0000'",
        "deidentify scans clean --dictionary dictionary.json --keepPrivateTags",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="IN", type=Path, help="a file or a folder")
        parser.add_argument(
            "target", metavar="OUT", type=Path,
            help="the folder for clean files; for one file, a name with a suffix is the clean file's",
        )  # fmt: skip
        _rule_arguments(parser)
        _way_arguments(parser)
        _paper_arguments(parser)

    def handle(self, *args: Any, source: Path, target: Path, **options: Any) -> None:
        paths = _checked(source, target, options)
        prepare()
        owner = _project(options["project"])
        engine = _engine(options["recipe"] or owner.recipe, options)
        console = Console(soft_wrap=True)
        seen = find(source)
        batch = Batch(seen, paths, owner, engine, options, console)
        batch.run()
        batch.tell()
        if code := batch.code:
            sys.exit(code)


def _rule_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--recipe", help="a shipped recipe's name or a file's path; default: the project's")
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
    parser.add_argument("--project", default="default", help="whose pseudonyms are used (default: default)")


def _way_arguments(parser: ArgumentParser) -> None:
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--jobs", type=int, default=cores, help=f"processes (default: cores, here {cores})")
    parser.add_argument(
        "--dry-run", action="store_true",
        help="do everything and write nothing: what would become of the files, and what would be changed",
    )  # fmt: skip
    parser.add_argument(
        "--keep-structure", action="store_true",
        help="the same tree as IN, each name replaced by a keyed token: what lay in one folder still does",
    )  # fmt: skip
    parser.add_argument(
        "--dicomdir", action="store_true",
        help="names of eight characters as media have them, and a DICOMDIR; so by default if IN holds one",
    )  # fmt: skip


def _paper_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--map", type=Path, metavar="FILE.csv",
        help="which clean file was which original, encrypted into FILE.csv.sealed: `reidentify --map` reads it",
    )  # fmt: skip
    parser.add_argument(
        "--plain-map", action="store_true", help="the map in clear: whoever reads it knows all"
    )
    parser.add_argument("--overwrite-map", action="store_true", help="replace the map that is there")
    parser.add_argument(
        "--list", type=Path, metavar="FILE", dest="listing",
        help="number and name of each file that did not come out clean; the names may name persons",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Paths:
    """Where things come from and go; `name` if OUT is the clean file itself."""

    source: Path
    folder: Path
    name: str
    map: Path | None
    listing: Path | None


@dataclass(slots=True)
class Batch:
    """One call."""

    seen: Found
    paths: Paths
    owner: Project
    engine: Engine
    options: dict[str, Any]
    console: Console
    tally: Tally = field(default_factory=Tally)
    rows: list[tuple[Done, str]] = field(default_factory=list)
    stopped: bool = False
    after: list[str] = field(default_factory=list)  # sentences for the end

    @property
    def dry(self) -> bool:
        return bool(self.options["dry_run"])

    @property
    def code(self) -> int:
        if self.stopped:
            return STOPPED
        return NOT_ALL if self.tally.bad or self.seen.closed else 0

    @property
    def on_media(self) -> bool:
        wanted = self.options["dicomdir"] or self.seen.has_directory
        return bool(wanted and not self.options["keep_structure"] and not self.paths.name)

    def run(self) -> None:
        if self.dry:
            self._go(self._work(None), None)
            return
        with running.workshop(self.paths.folder) as workshop:
            self._go(self._work(workshop), self._naming())
            if self.on_media:
                count = directory.write(self.paths.folder)
                self.after.append(f"DICOMDIR names {count} images.")
            os.sync()
        self._write_map()

    def _work(self, workshop: Path | None) -> Work:
        kind = (mapping.PLAIN if self.options["plain_map"] else mapping.SEALED) if self.paths.map else ""
        return Work(
            self.engine, self.owner.pk, self.owner.issuer, self.paths.source, workshop, kind, self.dry
        )

    def _naming(self) -> Naming:
        if self.paths.name:
            return naming.OneFile(self.paths.name)
        if self.options["keep_structure"]:
            return naming.as_it_was(self.owner.pk)
        return naming.ForMedia() if self.on_media else naming.ByUids()

    def _go(self, work: Work, names: Naming | None) -> None:
        stop = Stop()
        bar = _progress()
        with bar:
            task = bar.add_task("De-identifying", total=sum(self.seen.sizes), files="")
            for done in running.run(work, self.seen, self.options["jobs"], stop.is_set):
                self._take(done, names)
                if not stop.is_set():
                    count = sum(self.tally.kinds.values())
                    bar.update(task, advance=done.size, files=f"{count}/{len(self.seen.files)}")
        self.stopped = stop.is_set()

    def _take(self, done: Done, names: Naming | None) -> None:
        told = Told(done)
        if names is not None:
            path = self.seen.files[done.number - 1]
            told = running.named(done, path, self.paths.source, self.paths.folder, names)
        self.tally.add(told.done)
        if told.done.row:
            self.rows.append((told.done, told.place))

    def _write_map(self) -> None:
        if self.paths.map is None:
            return
        kind = mapping.PLAIN if self.options["plain_map"] else mapping.SEALED
        try:
            mapping.write(
                self.paths.map, kind, self.owner.pk, self.rows, replace=self.options["overwrite_map"]
            )
        except OSError as error:
            raise CommandError(f"The map could not be written: {error.strerror}.") from None
        if kind == mapping.PLAIN:
            self.after.append("WARNING: the map is in clear: whoever reads it knows every person in OUT.")
        else:
            self.after.append(f"The map is sealed in {self.paths.map}; `reidentify --map` reads it.")

    def tell(self) -> None:
        telling.summary(self.tally, self.console, dry=self.dry)
        telling.troubles(self.tally, self.console)
        if self.dry:
            telling.changes(self.tally, self.console)
            self.after.append("This was a dry run: nothing was written.")
        if self.seen.closed:
            self.after.append(f"{self.seen.closed} folders could not be looked into.")
        if self.stopped:
            self.after.append("It was stopped. What is clean is whole; the same call goes on from there.")
        if self.seen.has_directory and self.options["keep_structure"]:
            self.after.append("No DICOMDIR was made: its names have eight characters, those kept here more.")
        if self.paths.listing:
            telling.write_list(self.paths.listing, self.seen.files, self.tally.told)
        for sentence in self.after:
            self.console.print(sentence, highlight=False)


def _progress() -> Progress:
    return Progress(
        "[progress.description]{task.description}", BarColumn(), "{task.fields[files]} files", DownloadColumn(),
        BytesColumn(), TimeRemainingColumn(), console=Console(stderr=True), disable=not sys.stderr.isatty(),
    )  # fmt: skip


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


def _checked(source: Path, target: Path, options: dict[str, Any]) -> Paths:
    """Everything that a person may have asked for by mistake is said before anything is done."""
    if not source.exists():
        raise CommandError("IN is not there.")
    if options["jobs"] < 1:
        raise CommandError("--jobs is at least 1.")
    if options["plain_map"] and not options["map"]:
        raise CommandError("--plain-map says how to write the map; --map says where.")
    if options["keep_structure"] and options["dicomdir"]:
        raise CommandError("A DICOMDIR needs names of its own: --dicomdir or --keep-structure, not both.")
    paths = _paths(source, target, options)
    _refuse_mixing(paths)
    _refuse_replacing(paths, options)
    return paths


def _paths(source: Path, target: Path, options: dict[str, Any]) -> Paths:
    is_name = source.is_file() and not target.is_dir() and (target.suffix or target.is_file())
    folder, name = (target.parent, target.name) if is_name else (target, "")
    return Paths(source, folder, name, _map_path(options), options["listing"])


def _map_path(options: dict[str, Any]) -> Path | None:
    path: Path | None = options["map"]
    if path is None or options["plain_map"] or path.suffix == mapping.SUFFIX:
        return path
    return path.with_name(path.name + mapping.SUFFIX)


def _refuse_mixing(paths: Paths) -> None:
    """Clean files are given away: nothing identified may lie among them."""
    inside = paths.source.resolve()
    outside = (paths.folder / paths.name).resolve()
    if inside == outside or inside in outside.parents or outside in inside.parents:
        raise CommandError("IN and OUT may not lie in each other.")
    for path in (paths.map, paths.listing):
        if path is not None and not paths.name and outside in path.resolve().parents:
            raise CommandError("The map and the list may name persons: they may not lie in OUT.")


def _refuse_replacing(paths: Paths, options: dict[str, Any]) -> None:
    if paths.map and paths.map.exists() and not options["overwrite_map"]:
        raise CommandError("That map is there already; --overwrite-map replaces it.")
    if paths.listing and paths.listing.exists():
        raise CommandError("The file for --list is there already.")
    for path in (paths.map, paths.listing):
        if path is not None and not path.absolute().parent.is_dir():
            raise CommandError("The folder for the map or the list is not there.")

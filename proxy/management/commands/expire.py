"""What goes when its retention has passed, what stays, and why."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet, Sum
from django.utils import timezone

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.retention import images, results
from proxy.retention.facts import policy_of
from proxy.retention.images import Gone
from proxy.retention.outlook import Outlook, at, number
from proxy.retention.pausing import backup_comes, free_to_remove
from proxy.routing.models import Project
from proxy.studies.models import Revision
from proxy.studies.retention import Go, Policy

BUSY = "A backup is being made, or `work` lets go of studies at this moment: try again in a while."


class Command(TeachingCommand):
    help = (
        "Remove the files of what was delivered everywhere and has been kept as long as RETENTION_FILES says; `work` "
        "does the same every ten minutes. Says why the rest stays. Seals and mappings stay: results still come home. "
        "What a destination has not got, what is held, and what we committed to keep, never goes. --older-than takes "
        "the place of RETENTION_FILES, and goes on where CLEANUP_AFTER_UPLOAD is False."
    )
    examples = (
        "expire --dry-run",
        "expire --dry-run --older-than 2",
        "expire --project research --older-than 30",
        "expire --rejected",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")
        parser.add_argument("--project", default="", help="of this project only")
        parser.add_argument("--older-than", type=days, metavar="DAYS", help="over since so many days")
        parser.add_argument(
            "--rejected", action="store_true", help="rejected revisions and excluded series, too"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        policy = policy_of(older_than=options["older_than"], rejected=options["rejected"])
        rows = images.here(_known(options["project"]))
        if options["dry_run"]:
            self._told(rows, policy)
            found = results.waiting(policy, timezone.now(), options["project"])
            self._results(sum(1 for _ in found), "would go")
            return
        with free_to_remove() as free:
            if not free:
                raise CommandError(BUSY)
            self._removed(rows, policy)
            gone = results.due(
                policy, timezone.now(), lambda: not backup_comes(), console_user(), options["project"]
            )
            self._results(gone, "gone")

    def _told(self, rows: "QuerySet[Revision]", policy: Policy) -> None:
        outlook = Outlook()
        for page in images.pages(rows):
            for revision, verdict in images.judged(page, policy, timezone.now()):
                outlook.add(revision, verdict)
                if isinstance(verdict, Go):
                    self.stdout.write(line(revision, verdict))
        self.stdout.write(f"{outlook.going()} would go.")
        self._rest(outlook)

    def _removed(self, rows: "QuerySet[Revision]", policy: Policy) -> None:
        now, outlook, gone, by = timezone.now(), Outlook(), Gone(), console_user()
        images.finish(now, lambda: not backup_comes())
        for page in images.pages(rows):
            for revision, first in images.judged(page, policy, now):
                if backup_comes():
                    raise CommandError(f"{outlook.going()} gone. {BUSY}")
                verdict = images.let_go(revision, policy, now, by, gone) if isinstance(first, Go) else first
                outlook.add(revision, verdict)
        self.stdout.write(f"{outlook.going()} gone.")
        self._rest(outlook)

    def _results(self, count: int, what: str) -> None:
        if count:
            self.stdout.write(f"{number(count, 'result')} {what}.")

    def _rest(self, outlook: Outlook) -> None:
        for sentence in outlook.staying():
            self.stdout.write(sentence)


def _known(project: str) -> str:
    if project and not Project.objects.filter(name=project).exists():
        raise CommandError("There is no such project.")
    return project


def line(revision: Revision, go: Go) -> str:
    size = revision.instances.aggregate(size=Sum("size"))["size"] or 0
    what = f"{revision.study.uid} revision {revision.number}: {number(revision.total, 'image')}"
    return f"{what}, {size} bytes, over since {at(go.since)}."


def days(text: str) -> timedelta:
    if not text.isascii() or not text.isdigit() or int(text) > 36_500:
        raise ValueError("give a whole number of days.")
    return timedelta(days=int(text))

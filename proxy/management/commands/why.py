"""Where is this study, and what should somebody do?"""

import sys
from collections.abc import Iterator
from typing import Any, Final

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from proxy.deliveries.whereabouts import Answer, held_images, ruled_out, whereabouts
from proxy.management.originals import studies_behind
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.quarantine.models import HeldItem
from proxy.retrieval.home.whereabouts import whereabouts as results_of
from proxy.routing.models import Destination, Project
from proxy.storage.keys import KeysMissing
from proxy.studies.completeness import sureness
from proxy.studies.models import Study
from proxy.vault.reidentify import NotAllowed, Principal

NOT_HERE = "No study of this UID ever reached us."
MAYBE_ORIGINAL = "If it is an original UID, say why you ask with --purpose; that look is audited."
NAMELESS = "There is no Study Instance UID on standard input, in its first line."
LONGEST: Final = 200  # characters of a line with a UID
NOTHING_CAME = "Check the AE title and address at the sender, and `manage.py doctor`."


class Command(TeachingCommand):
    help = (
        "Where a study is and what to do about it, for one destination or all. A pseudonymous UID needs no "
        "permission; an original one is looked up in the vault, with a purpose and an audit entry, and is read from "
        "standard input with -, so that it stands in no list of processes."
    )
    examples = (
        "why 2.25.3110475...",
        "why 2.25.3110475... research-pacs",
        "why - --purpose 'ward 3 misses it' < uid.txt",
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "study",
            help="its Study Instance UID, pseudonymous or original; with - it is read from standard input or asked for",
        )
        parser.add_argument("destination", nargs="?", help="the name of a destination; all if not given")
        parser.add_argument(
            "--purpose", default="", help="why you ask for an original UID; stands in the audit"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        uid, destination, purpose = (
            asked_for(options["study"]),
            options["destination"],
            options["purpose"].strip(),
        )
        check_destination(destination)
        found = known(uid) or (behind(uid, purpose) if purpose else [])
        for project, pseudonymous in found:
            for line in lines(project, pseudonymous, destination):
                self.stdout.write(line)
        if not found:
            self.stdout.write(f"{NOT_HERE} {NOTHING_CAME if purpose else MAYBE_ORIGINAL}")
            sys.exit(1)


def asked_for(study: str) -> str:
    """What stands on a command line, other users of this machine can see."""
    uid = (_unseen() if study == "-" else study).strip()
    if study == "-" and not uid:
        raise CommandError(NAMELESS)
    return uid


def _unseen() -> str:
    return input("Study Instance UID: ") if sys.stdin.isatty() else sys.stdin.readline(LONGEST)


def check_destination(name: str | None) -> None:
    if name is not None and not Destination.objects.filter(name=name).exists():
        names = ", ".join(Destination.objects.order_by("name").values_list("name", flat=True))
        raise CommandError(f"There is no destination {name}; there are: {names or 'none'}.")


def known(uid: str) -> list[tuple[Project, str]]:
    """The projects that know this pseudonymous UID, in the index or in quarantine."""
    studies = set(Study.objects.filter(uid=uid).values_list("project", flat=True))
    held = set(HeldItem.objects.filter(study_uid=uid).values_list("project", flat=True))
    return [(project, uid) for project in Project.objects.filter(pk__in=studies | held).order_by("name")]


def behind(original: str, purpose: str) -> list[tuple[Project, str]]:
    """The same for an original UID, through the vault. The command's caller holds the keys already."""
    asker = Principal(console_user(), lambda permission: True)
    try:
        return [
            (project, uid)
            for project in Project.objects.order_by("name")
            for uid in studies_behind(asker, project.pk, original, purpose)
        ]
    except (KeysMissing, NotAllowed) as trouble:
        raise CommandError(str(trouble)) from None


def lines(project: Project, uid: str, destination: str | None) -> Iterator[str]:
    study = Study.objects.filter(project=project, uid=uid).first()
    patient = f", {study.patient}" if study else ""
    yield f"Study {uid} (project {project.name}{patient}):"
    answers = whereabouts(study, destination, timezone.now()) if study else _in_quarantine(project.pk, uid)
    results = list(results_of(project.pk, uid, destination))
    for answer in (*answers, *results):
        yield f"  {answer}"
    if study:
        yield f"  How sure it is that all of it is here: {sureness(study)}."
    if not answers and not results:
        yield (
            f"  Nothing of it is bound to {destination}."
            if destination
            else "  All of it was decided by a person."
        )


def _in_quarantine(project_id: int, uid: str) -> list[Answer]:
    """It may be all there is of a study."""
    return [*held_images(project_id, uid), *ruled_out(project_id, uid)]

"""What a person decides about studies before they leave, and about series that never shall."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.utils import timezone

from proxy.deliveries import recalling
from proxy.management.askers import acting
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.storage.keys import KeysMissing
from proxy.studies import completeness, excluding, lifecycle, review
from proxy.studies.excluding import Done, Undone
from proxy.studies.models import Revision, Series, Study

Row = TypeVar("Row", Study, Series)
NOT_NOW: Final = "Somebody was faster, or this cannot be decided now."
NOTHING: Final = "Nothing waits for review."


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision as it was asked for; whose it is, and about what."""

    by: str
    comment: str
    project: str
    uid: str
    revision: int | None
    now: datetime


class Command(TeachingCommand):
    help = (
        "List what waits for review; approve, reject or reconsider it; exclude a series, so that nothing of it leaves, "
        "now or later, or include it again; hold a study and set it free. Studies and series are named by their "
        "pseudonymous UIDs. The user named by --as must hold the permission for it (studies.change_revision, "
        "studies.change_series or studies.change_study), and each decision leaves a mark with its comment."
    )
    examples = (
        "review list",
        'review approve 2.25.3110475... --as ada --comment "complete, position is right"',
        'review reject 2.25.3110475... --revision 2 --as ada --comment "wrong patient position"',
        'review exclude 2.25.9917002... --as ada --comment "a screen with the dose"',
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        decisions = parser.add_subparsers(dest="decision", required=True, metavar="DECISION")
        decisions.add_parser("list", help="what waits for review, the oldest first")
        for name, about in ABOUT.items():
            one = decisions.add_parser(name, help=about)
            one.add_argument(
                "uid", help="the pseudonymous UID of the series" if name in OF_SERIES else "of the study"
            )
            one.add_argument("--as", dest="user", required=True, help="who decides: a user of the web pages")
            one.add_argument(
                "--comment", default="", help="why; it stands in the audit. Never a patient's name"
            )
            one.add_argument("--project", default="", help="where two projects have the same UID")
            if name in OF_REVISION:
                one.add_argument("--revision", type=int, help="its number (default: all that may be decided)")

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        if options["decision"] == "list":
            self.stdout.write("\n".join(_waiting()) or NOTHING)
            return
        try:
            self.stdout.write(_decided(options))
        except KeysMissing as missing:
            raise CommandError(str(missing)) from None


def _waiting() -> Iterator[str]:
    rows = Revision.objects.filter(state=lifecycle.REVIEW).select_related("study__project", "route")
    for row in rows.order_by("quiet_at", "pk"):
        images = "1 image" if row.total == 1 else f"{row.total} images"
        held = ", held" if row.study.is_held else ""
        sure = completeness.sureness(row.study)
        yield f"{row.study.uid} revision {row.number} ({row.study.project}, {row.route}): {images}; {sure}{held}"
        yield from (f"  {line}" for line in excluding.of_study(row.study))


def _decided(options: Mapping[str, Any]) -> str:
    name, who = options["decision"], acting(options["user"])
    if not who.may(PERMISSIONS[name]):
        raise CommandError(f"{who.name} may not decide this: it takes {PERMISSIONS[name]}.")
    asked = Asked(
        who.name,
        options["comment"].strip()[:255],
        options["project"],
        options["uid"].strip(),
        options.get("revision"),
        timezone.now(),
    )
    return DECISIONS[name](asked)


def _one(rows: "QuerySet[Row]", project: str, what: str) -> Row:
    found = list(rows[:2])
    if not found:
        raise CommandError(
            f"There is no such {what}. Pseudonymous UIDs only; `why` finds one by an original."
        )
    if len(found) > 1 and not project:
        raise CommandError(f"Two projects have this {what}: say which with --project.")
    return found[0]


def _study(asked: Asked) -> Study:
    rows = Study.objects.filter(uid=asked.uid)
    return _one(rows.filter(project__name=asked.project) if asked.project else rows, asked.project, "study")


def _series(asked: Asked) -> Series:
    rows = Series.objects.filter(uid=asked.uid).select_related("study")
    rows = rows.filter(study__project__name=asked.project) if asked.project else rows
    return _one(rows, asked.project, "series")


# --- decisions ----------------------------------------------------------------------------------------------


def _of_revisions(asked: Asked, state: str, decide: Callable[[Revision], bool], done: str) -> str:
    study = _study(asked)
    rows = study.revisions.filter(state=state).select_related("study")
    rows = rows if asked.revision is None else rows.filter(number=asked.revision)
    decided = [row for row in rows.order_by("number") if decide(row)]
    if not decided:
        held = " The study is held: set it free first." if study.is_held else ""
        raise CommandError(f"Nothing of it is in the state {state}, or somebody was faster.{held}")
    numbers = ", ".join(str(row.number) for row in decided)
    return f"Revision {numbers} ({sum(row.total for row in decided)} images) {done}."


def _approve(asked: Asked) -> str:
    def decide(row: Revision) -> bool:
        return review.approve(row, asked.by, asked.now, asked.comment)

    return _of_revisions(asked, lifecycle.REVIEW, decide, "is released")


def _reject(asked: Asked) -> str:
    def decide(row: Revision) -> bool:
        return review.reject(row, asked.by, asked.comment, asked.now)

    return _of_revisions(asked, lifecycle.REVIEW, decide, "stays here; the ledger counts it as excluded")


def _reconsider(asked: Asked) -> str:
    def decide(row: Revision) -> bool:
        return review.reconsider(row, asked.by, asked.comment)

    return _of_revisions(asked, lifecycle.REJECTED, decide, "waits for review again")


def _exclude(asked: Asked) -> str:
    done = recalling.exclude(_series(asked), asked.by, asked.now, asked.comment)
    said = _told(done, "stay here, and so does what comes of it later")
    late = done.too_late if isinstance(done, Done) else 0
    return f"{said} {late} are on their way or gone, and are not called back." if late else said


def _include(asked: Asked) -> str:
    return _told(recalling.include(_series(asked), asked.by, asked.now, asked.comment), "are released")


def _told(done: Done | Undone, what: str) -> str:
    if isinstance(done, Undone):
        raise CommandError(f"Nothing was changed: {done.why}")
    return f"{done.images} images of the series {what}."


def _hold(asked: Asked) -> str:
    if not review.hold(_study(asked), asked.by, asked.now, asked.comment):
        raise CommandError(NOT_NOW)
    return "The study is held: nothing more of it is released or sent."


def _free(asked: Asked) -> str:
    if not review.set_free(_study(asked), asked.by, asked.comment):
        raise CommandError(NOT_NOW)
    return "The study goes on."


ABOUT: Final = {
    "approve": "release what waits for review",
    "reject": "keep it here until somebody reconsiders",
    "reconsider": "put what was rejected before the reviewers again",
    "exclude": "nothing of this series leaves, now or later",
    "include": "a series that was excluded leaves after all",
    "hold": "stop a study where it stands",
    "free": "set a held study free",
}
DECISIONS: Final[Mapping[str, Callable[[Asked], str]]] = {
    "approve": _approve,
    "reject": _reject,
    "reconsider": _reconsider,
    "exclude": _exclude,
    "include": _include,
    "hold": _hold,
    "free": _free,
}
OF_SERIES: Final = ("exclude", "include")
OF_REVISION: Final = ("approve", "reject", "reconsider")
PERMISSIONS: Final = {
    name: f"studies.change_{'series' if name in OF_SERIES else 'revision' if name in OF_REVISION else 'study'}"
    for name in ABOUT
}

"""What the hospital finds out later about its patients, and what a patient asks for."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from proxy.management.askers import acting
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand
from proxy.routing.models import Project
from proxy.vault.corrections import Contradiction, correct, merge
from proxy.vault.forget import forget
from proxy.vault.reidentify import NotAllowed, Principal, Unknown
from proxy.vault.seals import Forgotten


class Command(TeachingCommand):
    help = (
        "Merge two persons whom the hospital found to be one, correct a Patient ID that was typed wrong, or forget a "
        "person for good. Persons are named by pseudonym; a Patient ID is asked for, or read from standard input, so "
        "that it stands in no list of processes. The user named by --as must hold the permission vault.correct_person "
        "(or vault.forget_person), and each decision leaves a mark in the audit with its purpose. Pseudonyms that were "
        "given out stay valid, and studies keep theirs."
    )
    examples = (
        'person merge ANON-AAAA ANON-BBBB --as ada --purpose "ADT A40 of 3 May"',
        'person correct ANON-AAAA --as ada --purpose "typing error, ticket 12" < new-id.txt',
        'person forget ANON-AAAA --as ada --purpose "request of the patient"',
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        decisions = parser.add_subparsers(dest="decision", required=True, metavar="DECISION")
        one = decisions.add_parser("merge", help="the first is the second from now on")
        one.add_argument("pseudonym", help="whoever was recognised to be somebody else")
        one.add_argument("into", help="who both are: what is new gets this pseudonym")
        _common(one)
        one = decisions.add_parser("correct", help="the Patient ID was wrong")
        one.add_argument("pseudonym")
        one.add_argument("--issuer", default="", help="the issuer of the right Patient ID (default: none)")
        _common(one)
        one = decisions.add_parser("forget", help="for good, with everybody merged with them")
        one.add_argument("pseudonym")
        _common(one)

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        project = Project.objects.filter(name=options["project"]).first()
        if project is None:
            raise CommandError("There is no such project.")
        try:
            self.stdout.write(_decided(acting(options["user"]), project.pk, options))
        except (NotAllowed, Unknown, Forgotten, Contradiction) as refused:
            raise CommandError(str(refused)) from None


def _common(parser: ArgumentParser) -> None:
    parser.add_argument("--as", dest="user", required=True, help="who decides: a user of the web pages")
    parser.add_argument("--purpose", required=True, help="why; it stands in the audit for good")
    parser.add_argument("--project", default="default", help="whose pseudonyms these are (default: default)")


def _decided(who: Principal, project_id: int, options: dict[str, Any]) -> str:
    pseudonym, purpose = options["pseudonym"], options["purpose"]
    match options["decision"]:
        case "merge":
            merged = merge(who, pseudonym, options["into"], project_id, purpose)
            return f"{merged.members} persons are {merged.survivor} from now on."
        case "correct":
            given = _asked()
            correct(who, pseudonym, project_id, issuer=options["issuer"], patient_id=given, purpose=purpose)
            return f"{pseudonym} has another Patient ID now. Its images come back as they were sent."
        case _:
            erased = forget(who, pseudonym, project_id, purpose)
            return f"{erased.seals} seals of {pseudonym} will never open again."


def _asked() -> str:
    if sys.stdin.isatty():
        return input("The right Patient ID: ")
    return sys.stdin.readline().rstrip("\r\n")

"""Tokens for programs that act for somebody of the site's own people."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError
from django.utils import timezone

from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.staff import tokens
from proxy.staff.models import Token

LONGEST = 3_650  # days


class Command(TeachingCommand):
    help = (
        "Make, list and revoke tokens of the API. A token may do what its user may, and its user must be an active "
        "member of the staff; for a program that shall do less, make a user with fewer permissions. It is shown once."
    )
    examples = (
        "staff_token make --for monitoring --name nagios --days 365",
        "staff_token list",
        "staff_token revoke 3",
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
        one = what.add_parser("make", help="a new one, shown once")
        one.add_argument(
            "--for", dest="user", required=True, help="for whom it acts: a user of the web pages"
        )
        one.add_argument("--name", required=True, help="what it is for")
        one.add_argument("--days", type=int, default=90, help="how long it holds (default 90)")
        what.add_parser("list", help="all of them, without what was shown")
        one = what.add_parser("revoke", help="it opens nothing any more")
        one.add_argument("number", type=int)

    def handle(self, *args: Any, **options: Any) -> None:
        prepare()
        match options["what"]:
            case "make":
                self._make(options["user"], options["name"], options["days"])
            case "revoke":
                self._revoke(options["number"])
            case _:
                self._list()

    def _make(self, username: str, name: str, days: int) -> None:
        user = User.objects.filter(username=username, is_active=True, is_staff=True).first()
        if user is None:
            raise CommandError("There is no such user, or they are not active members of the staff.")
        if not 1 <= days <= LONGEST:
            raise CommandError(f"A token holds for 1 to {LONGEST} days.")
        if not 1 <= len(name) <= 64:
            raise CommandError("Say in 1 to 64 characters what it is for.")
        now = timezone.now()
        row, shown = tokens.make(user, name, now + timedelta(days=days), console_user(), now)
        self.stdout.write(f"Token {row.pk} holds until {row.until:%Y-%m-%d}. It is shown this once:")
        self.stdout.write(shown)

    def _list(self) -> None:
        for row in Token.objects.select_related("user").order_by("pk"):
            used = f"last used on {row.used_on}" if row.used_on else "never used"
            over = "revoked" if row.revoked_at else f"until {row.until:%Y-%m-%d}"
            self.stdout.write(f"{row.pk}  {row.name}  for {row.user.get_username()}, {over}, {used}")

    def _revoke(self, number: int) -> None:
        row = Token.objects.select_related("user").filter(pk=number).first()
        if row is None:
            raise CommandError("There is no such token.")
        done = tokens.revoke(row, console_user(), timezone.now())
        self.stdout.write("It opens nothing any more." if done else "It was revoked before.")

"""PostgreSQL: a database user for the processes that can append to the audit and not change it."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import connection, transaction

from proxy.audit import rights
from proxy.management.start import prepare
from proxy.management.teaching import TeachingCommand, console_user
from proxy.routing.audited import tell


class Command(TeachingCommand):
    help = (
        "PostgreSQL: give a role what Postern's processes need: all tables, and of the audit reading and appending "
        "alone. Run it as the owner of the tables, again after a restore; then let the processes work as that role."
    )
    examples = ("audit_rights postern_web",)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", help="a role that can log in and owns nothing; make it with CREATE ROLE")

    def handle(self, *args: Any, role: str, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("SQLite knows no roles: who may write its file may write everything in it.")
        prepare()
        try:
            with transaction.atomic():
                rights.grant(role)
                tell(console_user(), ["the processes' database role got its rights"], "database role")
        except rights.CannotGrant as why:
            raise CommandError(str(why)) from None
        self.stdout.write(
            f"{role} may do what the processes need, and of the audit read and append alone."
            " Set POSTGRES_USER and POSTGRES_PASSWORD of the processes to it; keep the owner's for migrate,"
            " restore and audit_retention."
        )

"""What must be there before any process works: folders, keys, tables, a first site, somebody who may log in.

Every command that needs the house calls `prepare` and may be the first one, on an empty DATA_DIR.
"""

import secrets
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.module_loading import module_has_submodule

from proxy.audit.acting import acting
from proxy.audit.actions import KEYS_CREATED
from proxy.audit.record import record
from proxy.management.folders import make_folders
from proxy.management.turn import only_one
from proxy.routing import site
from proxy.storage.keys import KeysMissing
from proxy.tiers import customers
from proxy.vault import keyring

ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Prepared:
    """What this start has made; the password is shown once and stands nowhere else."""

    new_keys: tuple[str, ...] = ()
    admin_password: str | None = field(default=None, repr=False)


def prepare(*, first_site: bool = True, admin: bool = False) -> Prepared:
    """Make what is missing. `configure` brings its own site; what serves makes the first administrator."""
    make_folders()
    new_keys = tuple(_keys())
    try:
        return Prepared(new_keys, _prepare_database(first_site, admin, new_keys))
    except OperationalError as error:
        raise CommandError(unreachable()) from error


def unreachable() -> str:
    if settings.DATABASE_ENGINE == "sqlite":
        return "The database file cannot be opened: check DATABASE_PATH, its permissions and its disk."
    return (
        "The database cannot be reached: check that it runs, and DCM_DB_URL, or POSTGRES_HOST, _PORT, _DB, _USER, "
        "_PASSWORD."
    )


def first_admin() -> str | None:
    """The password of the first administrator, if there was nobody yet who could log in."""
    users = get_user_model()._default_manager
    if users.exists():
        return None
    password = secrets.token_urlsafe(12)
    with acting(lambda: "start"):
        users.create_superuser(ADMIN, password=password)
    return password


def announce(prepared: Prepared) -> list[str]:
    """What a person at the console should know of this start."""
    lines = []
    if prepared.new_keys:
        lines.append(f"New keys lie in {settings.KEY_DIR}. Back them up apart from the data, today.")
    if prepared.admin_password:
        lines.append(f"Log in as {ADMIN} with {prepared.admin_password} (shown once; change it at once).")
    return lines


def _keys() -> list[str]:
    try:
        return list(keyring.ensure_keys(settings.KEY_DIR))
    except KeysMissing as lost:
        raise CommandError(str(lost)) from None


def _prepare_database(first_site: bool, admin: bool, new_keys: tuple[str, ...]) -> str | None:
    with only_one():
        if admin or waits_for_migration():
            call_command("migrate", interactive=False, verbosity=0)
        if new_keys:
            record(KEYS_CREATED, actor="start", subject="KEY_DIR", detail={"files": new_keys})
        if first_site:
            site.ensure_first_site()
            _keep_customers()
        return first_admin() if admin else None


def _keep_customers() -> None:
    try:
        customers.keep(settings.DCM_API_KEYS, timezone.now())
    except customers.AnothersKey as wrong:
        raise CommandError(str(wrong)) from None


def waits_for_migration() -> bool:
    """Whether a migration was not applied yet, told by names alone.

    `migrate` itself makes every model anew as it was after each step, even if there is nothing to do: 20 MB of every
    process that stays, and a second of its start.
    """
    applied = set(MigrationRecorder(connection).applied_migrations())
    return any(not applied.issuperset(_migrations_of(one)) for one in apps.get_app_configs())


def _migrations_of(app: AppConfig) -> set[tuple[str, str]]:
    name, _ = MigrationLoader.migrations_module(app.label)
    if name is None or not module_has_submodule(app.module, name.rpartition(".")[2]):
        return set()
    paths = import_module(name).__path__
    return {(app.label, one.name) for one in iter_modules(paths) if one.name[0] not in "_~"}

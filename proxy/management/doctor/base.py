"""What everything stands on: settings, keys, database, tables."""

from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.management.doctor.findings import Finding, count, fail, ok, warn
from proxy.storage import keys
from proxy.storage.keys import KeysMissing
from proxy.vault import keyring
from proxy.vault.models import ProjectKey
from proxy.vault.projects import project_key


def examine_settings() -> Iterator[Finding]:
    """They were read, or no command would have started; here is what is allowed and still worth knowing."""
    found = [*_loose_settings(), *_django_checks()]
    yield from found or [ok("settings", "all could be read, and none is loose.")]


def _loose_settings() -> Iterator[Finding]:
    if settings.DEBUG:
        yield warn("settings", "DEBUG is on; in production leave it out.")
    if "*" in settings.ALLOWED_HOSTS:
        yield warn("settings", "ALLOWED_HOSTS lets any host name in; name your own.")


def _django_checks() -> Iterator[Finding]:
    for message in checks.run_checks():
        if message.level >= checks.ERROR:
            yield fail("settings", f"{message.msg} ({message.id})")


# --- keys -----------------------------------------------------------------------------------------


def examine_keys() -> Iterator[Finding]:
    troubles = [trouble for name in keys.MAKERS if (trouble := _key_trouble(name))]
    yield from (fail("keys", trouble) for trouble in troubles)
    if not troubles:
        yield ok("keys", f"all are in {settings.KEY_DIR}, whole and closed to others.")
        yield from _folder_mode()


def _key_trouble(name: str) -> str:
    try:
        keys.read(Path(settings.KEY_DIR), name)
    except KeysMissing as missing:
        return str(missing)
    return ""


def _folder_mode() -> Iterator[Finding]:
    folder = Path(settings.KEY_DIR)
    if folder.stat().st_mode & keys.TOO_OPEN:

        def close() -> str:
            folder.chmod(0o700)
            return "The key folder is closed to others now."

        yield fail("keys", "others may open the key folder; make it 0700.", close)


def examine_vault() -> Iterator[Finding]:
    """Do the keys open this vault? With the wrong ones everybody would get a new pseudonym."""
    keyring.current().check()
    projects = list(ProjectKey.objects.order_by("project_id").values_list("project_id", flat=True))
    for project_id in projects:
        try:
            project_key(project_id)
        except KeysMissing as missing:
            yield fail("vault", str(missing))
            return
    yield ok("vault", f"the keys open it ({count(len(projects), 'project')}).")


def examine_escrow() -> Iterator[Finding]:
    """Keys that lie on one machine alone are lost with it, and with them every way back."""
    if not Entry.objects.exists():
        return
    rows = Entry.objects.order_by("-sequence")
    escrowed = rows.filter(action=actions.KEYS_ESCROWED).first()
    changed = rows.filter(action=actions.KEYS_ROTATED).first()
    if escrowed is None:
        yield warn("escrow", "the keys were never put in escrow: run `backup --keys FILE` and take it away.")
    elif changed is not None and changed.sequence > escrowed.sequence:
        yield warn("escrow", "the keys were rotated since their escrow: run `backup --keys FILE` again.")
    else:
        yield ok("escrow", f"the keys were put in escrow on {escrowed.at:%Y-%m-%d}.")
    yield from _restore_tried()


def _restore_tried() -> Iterator[Finding]:
    words = [actions.RESTORE_TRIED, actions.RESTORED]
    tried = Entry.objects.filter(action__in=words).order_by("-sequence").first()
    if tried is None:
        advice = "try a restore on another machine, then run `doctor --restore-was-tried`."
        yield warn("escrow", f"no restore was ever tried: {advice}")
    else:
        yield ok("escrow", f"a restore was tried on {tried.at:%Y-%m-%d}.")


# --- database -------------------------------------------------------------------------------------


def examine_database() -> Iterator[Finding]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        yield fail("database", f"it cannot be reached ({type(error).__name__}); check its settings and disk.")
        return
    yield from _sqlite() if connection.vendor == "sqlite" else [ok("database", "PostgreSQL answers.")]


def _sqlite() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode")
        mode = str(cursor.fetchone()[0])
        cursor.execute("PRAGMA quick_check(1)")
        verdict = str(cursor.fetchone()[0])
    if verdict != "ok":
        yield fail("database", "SQLite says its file is damaged; stop everything and restore a backup.")
    elif mode not in {"wal", "memory"}:
        yield warn("database", f"SQLite runs with journal_mode {mode}; it should be wal.")
    else:
        yield ok("database", f"SQLite is whole, journal_mode {mode}.")


def examine_migrations() -> Iterator[Finding]:
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing:
        yield fail("tables", f"{count(missing, 'migration')} not applied; run `manage.py migrate`.")
    else:
        yield ok("tables", "all migrations are applied.")

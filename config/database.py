"""DCM_DB_URL: where the database is, as one address. It may hold a password, so no part of it is ever quoted."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from config.reading import raw, refuse

POSTGRES: Final = frozenset({"postgres", "postgresql"})
OPTIONS: Final = frozenset({"sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"})
"""Of PostgreSQL's own, those that a managed database asks for."""
FORM: Final = (
    "give an address such as postgresql://user:password@host:5432/name or sqlite:////srv/postern/db.sqlite3; "
    "a character of user or password that means something in addresses is written as % and two hex digits."
)


@dataclass(frozen=True, slots=True)
class Database:
    """As DATABASE_ENGINE, DATABASE_PATH and POSTGRES_... would say it."""

    engine: str
    path: Path | None = None
    name: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    host: str = ""
    port: int = 5432
    options: dict[str, str] = field(default_factory=dict)


def address(name: str, default: str, *, base: Path) -> Database | None:
    """None where nothing is said. A relative path of SQLite's is meant from the project's folder."""
    said = raw(name) or default
    if not said:
        return None
    try:
        parts = urlsplit(said)
        port = parts.port or 5432
    except ValueError:
        refuse(name, FORM)
    if parts.scheme == "sqlite":
        return Database("sqlite", path=_path(name, parts, base))
    if parts.scheme.partition("+")[0] not in POSTGRES or parts.fragment:
        refuse(name, FORM)
    return _postgres(name, parts, port)


def _path(name: str, parts: SplitResult, base: Path) -> Path:
    """Three slashes begin a relative path, four an absolute one."""
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or parts.fragment or not path or "\0" in path:
        refuse(name, FORM)
    return (base / path).resolve()


def _postgres(name: str, parts: SplitResult, port: int) -> Database:
    database = unquote(parts.path.removeprefix("/"))
    user, password, host = unquote(parts.username or ""), unquote(parts.password or ""), parts.hostname or ""
    if not (database and user and host) or "/" in database:
        refuse(name, FORM)
    if any("\0" in one for one in (database, user, password)):
        refuse(name, FORM)
    return Database("postgresql", None, database, user, password, host, port, _options(name, parts.query))


def _options(name: str, query: str) -> dict[str, str]:
    try:
        options = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True)) if query else {}
    except ValueError:
        _wrong_options(name)
    if options.keys() - OPTIONS or not all(options.values()):
        _wrong_options(name)
    return options


def _wrong_options(name: str) -> NoReturn:
    refuse(name, f"behind the question mark only {', '.join(sorted(OPTIONS))} may stand, each with a value.")

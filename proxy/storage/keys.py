"""The key files: made once, read often, and never quietly made again.

KEY_DIR holds one file for each kind of key, 0600 in a folder of 0700. A file is written beside and linked
into place, so it is whole or absent, and of two processes that start at once only one makes it. `founded`
names the files that were made: one of those that is gone later is a loss to be told, not a reason for a new
key, because a new key would give every patient a new pseudonym.
"""

import base64
import fcntl
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.storage.files import make_folder, sync_folder

MASTER, INDEX, AUDIT, EVIDENCE, DJANGO = "master.keys", "index.key", "audit.key", "evidence.key", "django.key"
FOUNDED = "founded"
TOO_OPEN = 0o077
KEY_BYTES = 32


class KeysMissing(Exception):
    """Our fault: a key is gone, damaged or readable by others, so nothing identified may pass."""

    status = 0x0110


def new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


def _django_secret() -> str:
    return secrets.token_urlsafe(64)


MAKERS: dict[str, Callable[[], str]] = {MASTER: new_key, INDEX: new_key, AUDIT: new_key, EVIDENCE: new_key}


def ensure(key_dir: Path) -> list[str]:
    """Make what was never made; the names that were made now. Raises KeysMissing for one that was lost."""
    _make_folder(key_dir)
    founded = _founded(key_dir)
    made = [name for name in MAKERS if _ensure_one(key_dir, name, founded)]
    if set(MAKERS) - founded:
        replace(key_dir, FOUNDED, "\n".join(sorted(founded | set(MAKERS))) + "\n")
    return made


def django_secret(key_dir: Path) -> str:
    """Django's SECRET_KEY. Losing it only ends sessions, so it is made anew whenever it is not there."""
    _make_folder(key_dir)
    if not (key_dir / DJANGO).exists():
        _create(key_dir, DJANGO, _django_secret())
    return read(key_dir, DJANGO)[0]


def read(key_dir: Path, name: str) -> list[str]:
    """The lines of a key file; KeysMissing unless it is there, whole and closed to others."""
    path = key_dir / name
    check(key_dir, name)
    try:
        lines = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        raise KeysMissing(f"The key file {name} cannot be read.") from None
    if not lines or not all(_is_whole(name, line) for line in lines):
        raise KeysMissing(f"The key file {name} is damaged; put it back from escrow.")
    return lines


def check(key_dir: Path, name: str) -> None:
    """Raises KeysMissing unless it is there and closed to others."""
    try:
        facts = (key_dir / name).stat()
    except OSError:
        raise KeysMissing(_gone(name)) from None
    if not stat.S_ISREG(facts.st_mode) or facts.st_mode & TOO_OPEN:
        raise KeysMissing(f"The key file {name} can be read by others; make it 0600 and rotate it.")


def _gone(name: str) -> str:
    return f"The key file {name} is gone; put it back from escrow."


class Watched:
    """A key file kept in memory and looked at anew with each use: gone, changed or opened up is noticed.

    The look is one `stat` of a path kept as text, because an image uses a key ten times.
    """

    __slots__ = ("_lines", "_path", "_secret", "_state", "key_dir", "name")

    def __init__(self, key_dir: Path, name: str) -> None:
        self.key_dir, self.name = key_dir, name
        self._path = os.fspath(key_dir / name)
        self._state: tuple[int, int, int, int] | None = None
        self._lines: tuple[str, ...] = ()
        self._secret = b""

    def lines(self) -> tuple[str, ...]:
        self._look()
        return self._lines

    def secret(self) -> bytes:
        self._look()
        return self._secret

    def _look(self) -> None:
        try:
            facts = os.stat(self._path)
        except OSError:
            raise KeysMissing(_gone(self.name)) from None
        state = facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_mode
        if state != self._state:
            self._state = None
            self._lines = tuple(read(self.key_dir, self.name))
            self._secret = base64.urlsafe_b64decode(self._lines[0])
            self._state = state


def add_master(key_dir: Path) -> None:
    """A new master key in front of those that are there; one process at a time."""
    with _locked(key_dir):
        replace(key_dir, MASTER, "\n".join([new_key(), *read(key_dir, MASTER)]) + "\n")


def keep_newest_master(key_dir: Path) -> int:
    """Drop all master keys but the newest; how many went."""
    with _locked(key_dir):
        newest, *older = read(key_dir, MASTER)
        replace(key_dir, MASTER, newest + "\n")
        return len(older)


@contextmanager
def _locked(key_dir: Path) -> Iterator[None]:
    handle = os.open(key_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace(key_dir: Path, name: str, content: str) -> None:
    """Put new content in place of old, whole or not at all."""
    beside = _write_beside(key_dir, name, content)
    beside.replace(key_dir / name)
    sync_folder(key_dir)


def _ensure_one(key_dir: Path, name: str, founded: set[str]) -> bool:
    if name in founded or (key_dir / name).exists():
        check(key_dir, name)
        return False
    return _create(key_dir, name, MAKERS[name]() + "\n")


def _create(key_dir: Path, name: str, content: str) -> bool:
    """True when this process made it; False when another one was faster."""
    beside = _write_beside(key_dir, name, content)
    try:
        os.link(beside, key_dir / name)
    except FileExistsError:
        return False
    finally:
        beside.unlink()
    sync_folder(key_dir)
    return True


def _write_beside(key_dir: Path, name: str, content: str) -> Path:
    path = key_dir / f".{name}.{secrets.token_hex(8)}"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return path


def _founded(key_dir: Path) -> set[str]:
    path = key_dir / FOUNDED
    return set(path.read_text(encoding="ascii").split()) if path.exists() else set()


def _is_whole(name: str, line: str) -> bool:
    if name == DJANGO:
        return len(line) >= 50
    try:
        return len(base64.urlsafe_b64decode(line)) == KEY_BYTES
    except ValueError:
        return False


def _make_folder(key_dir: Path) -> None:
    make_folder(key_dir)
    facts = key_dir.stat()
    if facts.st_mode & TOO_OPEN and facts.st_uid == os.geteuid():
        key_dir.chmod(0o700)

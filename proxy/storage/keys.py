"""Key files: made once, by whoever comes first, readable by their owner only.

A key appears under its name complete or not at all: it is written beside and linked, and a link never replaces
what is there. So two processes that start at once end up with the same key.
"""

import os
import secrets
from pathlib import Path


def make_key_dir(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077 and folder.stat().st_uid == os.geteuid():
        folder.chmod(0o700)


def read_or_make(folder: Path, name: str, fresh: bytes) -> bytes:
    """What the key file holds; `fresh` if there was none."""
    make_key_dir(folder)
    file = folder / name
    if not file.exists():
        _publish(file, fresh)
    return file.read_bytes()


def _publish(file: Path, content: bytes) -> None:
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        _write(beside, content)
        os.link(beside, file)
        _sync_folder(file.parent)
    except FileExistsError:
        pass  # somebody was faster: theirs is the key
    finally:
        beside.unlink(missing_ok=True)


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def django_secret(folder: Path) -> str:
    """Django's SECRET_KEY, kept in `django.key`."""
    return read_or_make(folder, "django.key", secrets.token_urlsafe(48).encode("ascii")).decode("ascii")

"""Files that are whole or absent: written beside, fsynced, given their name, their folders fsynced.

`commit()` returns when the file survives a power loss. The name is given by a hard link, because a link never
replaces what is there; where a file system has none, by a rename after a look. A folder's own name is fsynced into
its parent, up to the root, unless this process did so before: another one may have made the folder a moment ago and
not be done yet. What a crash leaves behind ends in `.part`, for `sweep`.

`settle()` does the same for a file that nobody looks for before a row names it. Name and content then become durable
with one commit of the file system's journal instead of two (docs/performance.md); a power loss in between can leave
a file with a name and without all of its content, which no row names.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from proxy.storage.direct import Appender
from proxy.storage.errors import AlreadyThere, StorageFull, full_is_said

__all__ = [
    "AlreadyThere",
    "Staged",
    "StorageFull",
    "make_folder",
    "publish_many",
    "remove",
    "remove_folder",
    "remove_many",
    "stage",
    "sweep",
    "sync_folder",
]

Buffer = bytes | bytearray | memoryview

PART = ".part"
TRIES = 3
MOST_KNOWN = 10_000
_DURABLE: dict[str, tuple[int, int]] = {}  # folders whose own names survive, and which folders those were
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}


@dataclass(slots=True)
class Staged:
    """A file that nobody sees yet. Ends with `commit()`, `settle()` or `discard()`; also usable in `with`, then
    discarded unless committed. Paths are text: this runs for every image."""

    top: str
    place: str
    beside: str
    size: int = 0
    named: bool = False
    _handle: int = field(default=-1, repr=False)
    _appender: Appender | None = field(default=None, repr=False)

    @property
    def target(self) -> Path:
        return Path(self.place)

    @property
    def part(self) -> Path:
        return Path(self.beside)

    def write(self, buffers: Sequence[Buffer]) -> int:
        """Append all buffers, which are free afterwards; the number of bytes. They are in the file after `flush()`."""
        if self._appender is None:
            self._appender = Appender(self._handle)
        total = 0
        with full_is_said:
            for buffer in buffers:
                view = memoryview(buffer).cast("B")
                self._appender.write(view)
                total += view.nbytes
        self.size += total
        return total

    def flush(self) -> None:
        """So that others can read what was written."""
        with full_is_said:
            if self._appender is not None:
                self._appender.flush()

    def commit(self) -> Path:
        publish_many([self])
        return self.target

    def settle(self) -> None:
        """Durable when this returns; nothing is left if it raises."""
        with full_is_said:
            try:
                _name(self)
                self._sync()
                _sync_folders([self])
            except BaseException:
                if self.named:
                    Path(self.place).unlink(missing_ok=True)
                self.discard()
                raise

    def discard(self) -> None:
        """Leave nothing behind; harmless after commit."""
        self._close()
        if not self.named:
            Path(self.beside).unlink(missing_ok=True)

    def __enter__(self) -> "Staged":
        return self

    def __exit__(self, *trouble: object) -> None:
        self.discard()

    def _sync(self) -> None:
        if self._handle >= 0:
            self.flush()
            os.fsync(self._handle)
            self._close()

    def _close(self) -> None:
        if self._appender is not None:
            self._appender.close()
            self._appender = None
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def stage(root: Path, relative: str | Path) -> Staged:
    """Open a new file beside its place `root / relative`."""
    top, place = os.fspath(root), os.path.join(root, _inside(os.fspath(relative)))
    beside = f"{place}.{secrets.token_hex(8)}{PART}"
    with full_is_said:
        return Staged(top, place, beside, _handle=_open_new(beside))


def publish_many(staged: Iterable[Staged]) -> None:
    """Commit several files and fsync each folder once. If one fails, none of the unnamed ones stays behind,
    and those that got their name are taken back: all or nothing."""
    files = list(staged)
    try:
        with full_is_said:
            for one in files:
                one._sync()
            for one in files:
                _name(one)
            _sync_folders(files)
    except BaseException:
        for one in files:
            if one.named:
                Path(one.place).unlink(missing_ok=True)
            one.discard()
        raise


def remove(path: Path) -> bool:
    """Delete a file durably; False if it was gone already."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
    return True


def remove_many(paths: Iterable[Path]) -> int:
    """Delete files durably, each folder fsynced once; how many there were."""
    gone = [path for path in paths if _unlinked(path)]
    for folder in {path.parent for path in gone}:
        sync_folder(folder)
    return len(gone)


def _unlinked(path: Path) -> bool:
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def remove_folder(folder: Path) -> bool:
    """Only an empty one; False if it is in use, or gone already."""
    try:
        folder.rmdir()
    except OSError:
        return False
    sync_folder(folder.parent)
    return True


def sweep(root: Path, older_than: float, now: float | None = None) -> int:
    """Remove what crashes left behind: `.part` files not touched for so many seconds. How many."""
    before = (time.time() if now is None else now) - older_than
    return sum(_remove_if_old(path, before) for path in _parts(root))


def make_folder(folder: Path) -> None:
    """Every new one closed to others, which `mkdir(parents=True)` does for the last one only, and durable: the
    root itself may be new."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: str | Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _inside(relative: str) -> str:
    parts = relative.split("/")
    if relative.startswith("/") or ".." in parts or parts[-1] in ("", "."):
        raise ValueError("A staged file lies below its root.")
    return relative


def _open_new(part: str) -> int:
    """A folder that was empty may be removed between our making it and its first file."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    for _ in range(TRIES):
        try:
            return os.open(part, flags, 0o600)
        except FileNotFoundError:
            make_folder(Path(part).parent)
    return os.open(part, flags, 0o600)


def _name(one: Staged) -> None:
    try:
        os.link(one.beside, one.place)
    except FileExistsError:
        raise AlreadyThere(errno.EEXIST, "A file of that name is there already.") from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _name_by_rename(one)
    else:
        with suppress(FileNotFoundError):
            os.unlink(one.beside)
    one.named = True


def _name_by_rename(one: Staged) -> None:
    if os.path.exists(one.place):
        raise AlreadyThere(errno.EEXIST, "A file of that name is there already.")
    os.rename(one.beside, one.place)


def _sync_folders(files: Iterable[Staged]) -> None:
    """Those that hold new names, each once; and above them whatever holds a name that may not be durable yet."""
    for folder, top in {os.path.dirname(one.place): one.top for one in files}.items():
        sync_folder(folder)
        _sync_above(folder, top)


def _sync_above(folder: str, top: str) -> None:
    """Up to the root. A folder that was removed and made again is another one."""
    if len(folder) <= len(top):
        return
    found = os.stat(folder)
    if _DURABLE.get(folder) == (found.st_dev, found.st_ino):
        return
    parent = os.path.dirname(folder)
    sync_folder(parent)
    _sync_above(parent, top)
    if len(_DURABLE) >= MOST_KNOWN:
        _DURABLE.clear()
    _DURABLE[folder] = (found.st_dev, found.st_ino)


def _parts(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from (Path(folder) / name for name in names if name.endswith(PART))


def _remove_if_old(path: Path, before: float) -> bool:
    try:
        if path.stat().st_mtime >= before:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True

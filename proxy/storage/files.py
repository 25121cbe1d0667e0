"""Files that are whole or absent: written beside, fsynced, given their name, their folders fsynced.

`commit()` returns when the file survives a power loss. The name is given by a hard link, because a link never
replaces what is there; where a file system has none, by a rename after a look. Folders are fsynced up to the
root, but for those that did not change since this process did so last: another one may have made a folder a
moment ago and not be done yet. What a crash leaves behind ends in `.part`, for `sweep`.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from proxy.storage.errors import AlreadyThere, StorageFull, full_is_said

__all__ = [
    "AlreadyThere",
    "Staged",
    "StorageFull",
    "make_folder",
    "name_all",
    "publish_many",
    "remove",
    "stage",
    "sweep",
    "sync_folder",
]

Buffer = bytes | bytearray | memoryview

PART = ".part"
MOST_BUFFERS = min(1024, os.sysconf("SC_IOV_MAX") if "SC_IOV_MAX" in os.sysconf_names else 1024)
MOST_KNOWN = 10_000
SETTLED = 1_000_000_000  # nanoseconds after which a folder's time tells that it has not changed since
_SYNCED: dict[Path, tuple[int, int, int]] = {}  # folders as they were when they were last synced
NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EXDEV}


@dataclass(slots=True)
class Staged:
    """A file that nobody sees yet. Ends with `commit()` or `discard()`; also usable in `with`, then discarded
    unless committed."""

    root: Path
    target: Path
    part: Path
    size: int = 0
    named: bool = False
    _handle: int = field(default=-1, repr=False)

    def write(self, buffers: Sequence[Buffer]) -> int:
        """Append all buffers; the number of bytes."""
        waiting = [memoryview(buffer).cast("B") for buffer in buffers if memoryview(buffer).nbytes]
        total = 0
        with full_is_said():
            while waiting:
                written = os.writev(self._handle, waiting[:MOST_BUFFERS])
                total += written
                waiting = _rest(waiting, written)
        self.size += total
        return total

    def commit(self) -> Path:
        publish_many([self])
        return self.target

    def sync(self) -> None:
        """Its content is durable when this returns, its name is not yet: see `name_all`."""
        with full_is_said():
            self._sync()

    def discard(self) -> None:
        """Leave nothing behind; harmless after commit."""
        self._close()
        self.part.unlink(missing_ok=True)

    def __enter__(self) -> "Staged":
        return self

    def __exit__(self, *trouble: object) -> None:
        self.discard()

    def _sync(self) -> None:
        if self._handle >= 0:
            os.fsync(self._handle)
            self._close()

    def _close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def stage(root: Path, relative: str | Path) -> Staged:
    """Open a new file beside its place `root / relative`."""
    target = root / _inside(relative)
    part = target.with_name(f"{target.name}.{secrets.token_hex(8)}{PART}")
    with full_is_said():
        handle = _open_new(part)
    return Staged(root, target, part, _handle=handle)


def publish_many(staged: Iterable[Staged]) -> None:
    """Commit several files and fsync each folder once. If one fails, none of the unnamed ones stays behind,
    and those that got their name are taken back: all or nothing."""
    files = list(staged)
    named: list[Staged] = []
    try:
        with full_is_said():
            for one in files:
                one._sync()
            for one in files:
                _name(one)
                named.append(one)
            _sync_folders(files)
    except BaseException:
        for one in named:
            one.target.unlink(missing_ok=True)
        for one in files:
            one.discard()
        raise


def name_all(staged: Iterable[Staged]) -> None:
    """Give files whose content is durable their names, and fsync each folder once. Durable when this returns.

    If it fails, it may be called again with all or some of them; whoever gives up removes what has a name.
    """
    files = list(staged)
    with full_is_said():
        for one in files:
            if not one.named:
                _name(one)
                one.named = True
        _sync_folders(files)


def remove(path: Path) -> bool:
    """Delete a file durably; False if it was gone already."""
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    sync_folder(path.parent)
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


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _inside(relative: str | Path) -> PurePosixPath:
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError("A staged file lies below its root.")
    return path


def _open_new(part: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        return os.open(part, flags, 0o600)
    except FileNotFoundError:
        make_folder(part.parent)
        return os.open(part, flags, 0o600)


def _rest(waiting: list[memoryview], written: int) -> list[memoryview]:
    for index, view in enumerate(waiting):
        if written < view.nbytes:
            return [view[written:], *waiting[index + 1 :]]
        written -= view.nbytes
    return []


def _name(one: Staged) -> None:
    try:
        os.link(one.part, one.target)
    except FileExistsError:
        raise AlreadyThere(errno.EEXIST, "A file of that name is there already.") from None
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        _name_by_rename(one)
    else:
        one.part.unlink(missing_ok=True)


def _name_by_rename(one: Staged) -> None:
    if one.target.exists():
        raise AlreadyThere(errno.EEXIST, "A file of that name is there already.")
    one.part.rename(one.target)


def _sync_folders(files: Iterable[Staged]) -> None:
    """Deepest first, each once, up to and including every root.

    The folders of the files hold new names. Those above them are passed over while they are as they were when this
    process last synced them: then whatever they hold survives already.
    """
    every = list(files)
    holding = {one.target.parent for one in every}
    above = {folder for one in every for folder in _way_up(one)} - holding
    for folder in sorted(holding | above, key=lambda path: -len(path.parts)):
        if folder in holding:
            sync_folder(folder)
        else:
            _sync_if_changed(folder)


def _sync_if_changed(folder: Path) -> None:
    found = folder.stat()
    state = found.st_dev, found.st_ino, found.st_mtime_ns
    if _SYNCED.get(folder) == state:
        return
    sync_folder(folder)
    if len(_SYNCED) >= MOST_KNOWN:
        _SYNCED.clear()
    if time.time_ns() - found.st_mtime_ns > SETTLED:  # what changes in the same tick keeps the same time
        _SYNCED[folder] = state


def _way_up(one: Staged) -> Iterator[Path]:
    for folder in one.target.parents:
        yield folder
        if folder == one.root:
            return


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

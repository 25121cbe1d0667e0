"""A batch from beginning to end: workers clean and seal, this process names, and the disk is synced once."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from proxy.management.batch import worker
from proxy.management.batch.crew import Crew
from proxy.management.batch.fates import REFUSED, UNDONE, Done, Fate
from proxy.management.batch.finding import Found, groups
from proxy.management.batch.naming import Naming
from proxy.management.batch.placing import put
from proxy.management.batch.worker import Work

WORKSHOP: Final = ".deidentify-"


@dataclass(frozen=True, slots=True)
class Told:
    """A file's fate, and where its clean image lies below OUT, if anywhere."""

    done: Done
    place: str = ""


@contextmanager
def workshop(target: Path) -> Iterator[Path]:
    """A folder beside the clean files, for those without a name; what crashed batches left goes first."""
    target.mkdir(parents=True, exist_ok=True)
    for old in target.glob(f"{WORKSHOP}*"):
        _sweep(old)
    folder = target / f"{WORKSHOP}{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _sweep(folder: Path) -> None:
    """Unless a batch that lives still holds it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def run(work: Work, seen: Found, jobs: int, stopped: Callable[[], bool]) -> Iterator[Done]:
    """One for each file, in order of the files; those not begun when it was stopped are told as such at the end."""
    many = list(groups(seen, jobs))
    lists = Crew(work, jobs, stopped).run(many) if jobs > 1 and len(many) > 1 else _here(work, many, stopped)
    told: set[int] = set()
    for dones in lists:
        for done in dones:
            told.add(done.number)
            yield done
    for number, size in enumerate(seen.sizes, start=1):
        if number not in told:
            yield Done(number, Fate(UNDONE, "The batch was stopped before it."), size)


def _here(
    work: Work, many: list[list[tuple[int, Path]]], stopped: Callable[[], bool]
) -> Iterator[list[Done]]:
    for group in many:
        if stopped():
            return
        yield worker.do(work, group)


def named(done: Done, path: Path, source: Path, target: Path, naming: Naming) -> Told:
    """A clean file gets its name; where it cannot, it is refused."""
    if done.part is None or done.uids is None:
        return Told(done)
    within = Path(path.name) if path == source else path.relative_to(source)
    try:
        placed = put(done.part, target, naming.place(within, done.uids), naming)
    except OSError as error:
        done.part.unlink(missing_ok=True)
        reason = error.strerror or "It could not be written."
        return Told(Done(done.number, Fate(REFUSED, reason), done.size))
    return Told(replace(done, part=None, beside=placed.beside), str(placed.place))

"""What a run of `pull` or `dispatch` said, in a folder of its own below DICOM_LOG_DIR, named by when it began.

The lines are those of the console: counts and reasons, never whose studies they are. A log that cannot be written
stops no run.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import CommandError
from django.utils import timezone

from proxy.management.pulling.telling import aloud

KEPT: Final = 200  # runs
OURS: Final = re.compile(r"\d{8}T\d{6}Z-(pull|dispatch)-\d+")
Say = Callable[[str], None]


def folder() -> Path:
    return Path(settings.DICOM_LOG_DIR) / "runs"


@contextmanager
def logged(name: str, stream: Any) -> Iterator[Say]:
    """Gives what says a line, on the console and in `run.log`. How the run ended is its last line."""
    path = folder() / f"{timezone.now():%Y%m%dT%H%M%SZ}-{name}-{os.getpid()}" / "run.log"
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True)
        prune()
    tell = aloud(stream)

    def say(line: str) -> None:
        tell(line)
        _write(path, line)

    try:
        yield say
    except CommandError as trouble:
        _write(path, str(trouble))
        raise
    except BaseException as ended:
        _write(path, f"Ended by {type(ended).__name__}.")
        raise
    _write(path, "Done.")


def _write(path: Path, line: str) -> None:
    with suppress(OSError), path.open("a", encoding="utf-8") as file:
        file.write(f"{timezone.now():%Y-%m-%dT%H:%M:%SZ} {line}\n")


def prune() -> None:
    """Of runs long ago nothing stays but their marks in the audit."""
    runs = sorted(one for one in folder().iterdir() if OURS.fullmatch(one.name))
    for one in runs[:-KEPT]:
        shutil.rmtree(one, ignore_errors=True)

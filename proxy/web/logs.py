"""What a process writes about itself: one file for each in DICOM_LOG_DIR, and the console. Never an identity.

Our own messages are sentences with pseudonyms, tags and counts; that is a rule of the house, so they stand as
they are. Anybody else's message may quote a patient: pydicom quotes values, a database quotes rows, Django
quotes addresses. Of those only type and place are kept, in messages, tracebacks and warnings alike.
"""

import logging
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import TextIO

from django.conf import settings

from config import reading

OURS = ("proxy", "config")
LASTING = ("serve", "web", "listen", "work", "link", "runserver", "demo")
SILENT = ("pydicom", "pynetdicom", "PIL", "gdcm", "django.db.backends", "django.server", "gunicorn.access")
FILE_BYTES, FILES_KEPT = 10_000_000, 5


def set_up(process: str) -> None:
    """Give this process its log file. Short commands share one, and tell the console only trouble."""
    lasts = process.split("-", maxsplit=1)[0] in LASTING
    file = settings.DICOM_LOG_DIR / f"{process if lasts else 'commands'}.log"
    level = settings.DICOM_LOG_LEVEL
    console = _console(level if lasts or level == "ERROR" else "WARNING")
    _replace_handlers(logging.getLogger(), [_file(file, process), console], level)
    _guard_the_ways_out()


def set_up_for(arguments: list[str]) -> None:
    """For `manage.py`: the process is named by its command."""
    set_up(arguments[1] if len(arguments) > 1 else "help")


class Quiet(logging.Filter):
    """Takes out of a record what somebody else has said."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not is_ours(record.name):
            record.msg, record.args = _foreign(record), ()
        elif record.args:
            record.args = _without_exceptions(record.args)
        record.exc_text = None
        return True


class Line(logging.Formatter):
    """A record as text; of an exception only types and places."""

    def __init__(self, layout: str) -> None:
        super().__init__(layout, "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def formatException(  # noqa: N802 - logging's name
        self, ei: "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"
    ) -> str:
        return "" if ei[1] is None else "\n".join(describe_with_causes(ei[1]))


def is_ours(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] in OURS


def describe(error: BaseException) -> str:
    """Type, place, and the message only if the exception is one of ours."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    said = f": {error}" if is_ours(type(error).__module__) else ""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{kind}{said}{place}"


def describe_with_causes(error: BaseException) -> Iterator[str]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield f"{'because of ' if len(seen) > 1 else ''}{describe(current)}"
        for frame in traceback.extract_tb(current.__traceback__):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}"
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)


def _foreign(record: logging.LogRecord) -> str:
    status = getattr(record, "status_code", None)
    return f"{record.module}:{record.lineno}" + (f" status {status}" if isinstance(status, int) else "")


def _without_exceptions(args: object) -> "tuple[object, ...] | dict[str, object]":
    if isinstance(args, dict):
        return {key: _safe(value) for key, value in args.items()}
    return tuple(_safe(value) for value in (args if isinstance(args, tuple) else (args,)))


def _safe(value: object) -> object:
    return describe(value) if isinstance(value, BaseException) else value


def _file(path: Path, process: str) -> logging.Handler:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, delay=True, encoding="utf-8"
        )
        handler.setFormatter(Line(f"%(asctime)s %(levelname)s {process} %(name)s: %(message)s"))
    except OSError:
        reading.refuse("DICOM_LOG_DIR", "this folder cannot be made; check its path and permissions.")
    return handler


def _console(level: str) -> logging.Handler:
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)
    handler.setFormatter(Line("%(levelname)s %(name)s: %(message)s"))
    return handler


def _replace_handlers(root: logging.Logger, handlers: list[logging.Handler], level: str) -> None:
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        handler.addFilter(Quiet())
        root.addHandler(handler)
    root.setLevel(level)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _guard_the_ways_out() -> None:
    """An exception, a warning or a broken log call that nobody caught or could catch would else be printed as it is."""
    logging.raiseExceptions = False
    sys.excepthook = _uncaught
    sys.unraisablehook = _uncatchable
    threading.excepthook = _uncaught_in_thread
    warnings.showwarning = _warned


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("proxy").critical("Ended by %s", error, exc_info=(kind, error, trace))


def _uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and not isinstance(args.exc_value, SystemExit):
        _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncatchable(args: "sys.UnraisableHookArgs") -> None:
    """While something is collected. What it is, is not said: an object may describe itself by its values."""
    if args.exc_value is not None:
        logging.getLogger("proxy").error("Nobody could catch %s", args.exc_value, exc_info=args.exc_value)


def _warned(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    logging.getLogger("proxy").debug("%s at %s:%s", category.__name__, Path(filename).name, lineno)

"""Who acts, for marks that are made far away from whoever knows it: a signal hears what changed, and of nobody.

Pages say it for as long as a request lasts. Where nobody says it, it is who stands at the console.
"""

import getpass
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_acting: ContextVar[Callable[[], str] | None] = ContextVar("acting", default=None)


@contextmanager
def acting(name: Callable[[], str]) -> Iterator[None]:
    """`name` is called when a mark needs it, and not before: to know it may cost a question to the database."""
    token = _acting.set(name)
    try:
        yield
    finally:
        _acting.reset(token)


def who_acts() -> str:
    name = _acting.get()
    return name() if name is not None else console_user()


def console_user() -> str:
    """Who acts at this console, for the audit. In a container the user may have no name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = "unnamed"
    return f"{name} (console)"

"""A transaction of which one knows, when it fails, whether it may have committed all the same.

Trouble before COMMIT means that nothing was written. Trouble while COMMIT is under way (the database restarts, the
connection breaks) or behind it means nothing: the rows may be there, and what they name must not be removed.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, transaction


class InDoubt(OperationalError):
    """It may have committed. Whatever its rows name stays where it is; what no row names, `doctor --repair` removes."""


@contextmanager
def surely() -> Iterator[None]:
    """Commits; raises InDoubt where nobody can say whether it has."""
    written = False
    try:
        with transaction.atomic():
            yield
            written = True
    except Exception as trouble:
        if written:
            raise InDoubt("The answer to a commit is lost.") from trouble
        raise

"""What the vault says to a look that is not allowed, as a problem document."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from proxy.api.problems import Problem
from proxy.vault.reidentify import NotAllowed, TooMany

NOT_NOW: Final = "The grant of this node does not allow this look."
TOO_MANY: Final = "These are more persons than this node may look up within an hour; wait, or ask for less."


@contextmanager
def said() -> Iterator[None]:
    try:
        yield
    except TooMany:
        raise Problem(429, "too-many-persons", TOO_MANY, 3600.0) from None
    except NotAllowed:
        raise Problem(403, "no-right", NOT_NOW) from None

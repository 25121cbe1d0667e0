"""So many requests are worked on at once, and no more: a web process has other threads to answer with, and the next one
hears that it is to come again before anything of it is read."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.conf import settings

from proxy.service.troubles import Busy

TAKEN: Final = "As many requests as may be are being worked on; try again."
_lock = threading.Lock()
_taken = 0


@contextmanager
def taken() -> Iterator[None]:
    """Raises Busy."""
    global _taken  # noqa: PLW0603 - the one count of this process
    with _lock:
        if _taken >= settings.SERVICE_AT_ONCE:
            raise Busy("busy", TAKEN, 5.0)
        _taken += 1
    try:
        yield
    finally:
        with _lock:
            _taken -= 1

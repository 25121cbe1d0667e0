"""The reference backend for whoever delivers to it: it knows us, and says no more than our workspace."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.management.demo.backend.platform import TOKEN, WORKSPACE, Backend, open_backend, short
from proxy.management.demo.backend.serving import Server
from proxy.management.demo.backend.uploads import Archive

__all__ = ["TOKEN", "WORKSPACE", "Archive", "Backend", "a_backend"]


@contextmanager
def a_backend(folder: Path, port: int = 0) -> Iterator[tuple[Server, Backend]]:
    with open_backend(folder, port, short()) as one:
        yield one.server, one

"""The reference backend for whoever talks with it: it says the configuration that it is given, and no other."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from proxy.management.demo.backend.platform import CONFIGURATION, open_backend, until
from proxy.management.demo.backend.platform import Backend as Platform
from proxy.management.demo.backend.serving import Reply as Answer

__all__ = ["CONFIGURATION", "KEY", "Answer", "Platform", "open_platform", "until"]
KEY = "key-of-the-tests"


@contextmanager
def open_platform(configuration: object = None) -> Iterator[Platform]:
    """As the proxy `p1` of the workspace `w1`."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_backend(Path(folder) / "archives", 0, configuration, KEY, "w1") as one,
    ):
        yield one

"""A process of ours that crashes leaves no dump of its memory: keys and identities stand there in clear (promise 8)."""

import resource
from contextlib import suppress
from typing import Final

NONE: Final = 1
"""Bytes. No dump is so small; and where the kernel pipes dumps to a program, it heeds this limit and not 0."""


def leave_no_core() -> None:
    """Of this process and of those that it starts."""
    with suppress(ValueError):  # 0 is in force, and may not be raised
        resource.setrlimit(resource.RLIMIT_CORE, (NONE, NONE))

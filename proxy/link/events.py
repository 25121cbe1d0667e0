"""What each event of the backend does. All of it is quick, and doing it twice or out of order does no harm.

An event about ourselves only makes us ask: what is true, the configuration says. That we are inactive is believed at
once, because it closes; that we are active is believed when the configuration says so.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from proxy.backend import remembered
from proxy.link.messages import (
    CONFIG_CHANGED,
    DELETIONS,
    DISPATCHES,
    NEW_SCAN,
    NODES_CHANGED,
    STATUS_CHANGED,
    Event,
)

log = logging.getLogger(__name__)

ABOUT_US: Final = {CONFIG_CHANGED, NODES_CHANGED, STATUS_CHANGED}


@dataclass(frozen=True, slots=True)
class Events:
    ask: Callable[[], None]

    def take(self, event: Event) -> None:
        if event.type == STATUS_CHANGED and event.is_inactive and remembered.close():
            log.warning("the backend has set this proxy inactive: associations are refused")
        if event.type in ABOUT_US:
            self.ask()
        elif event.type in {*DISPATCHES, NEW_SCAN, *DELETIONS}:
            log.warning("%s: not understood yet; nothing was done", event.type)

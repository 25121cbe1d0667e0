"""What each event of the backend does. All of it is quick, and doing it twice or out of order does no harm.

An event about ourselves only makes us ask: what is true, the configuration says. That we are inactive is believed at
once, because it closes; that we are active is believed when the configuration says so.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.utils import timezone

from proxy.backend import deletions, dispatches, remembered
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

PULL: Final = "pull_and_dispatch"
ABOUT_US: Final = {CONFIG_CHANGED, NODES_CHANGED, STATUS_CHANGED}


@dataclass(frozen=True, slots=True)
class Events:
    ask: Callable[[], None]

    def take(self, event: Event) -> None:
        if event.type == STATUS_CHANGED and event.is_inactive and remembered.close():
            log.warning("the backend has set this proxy inactive: associations are refused")
        if event.type in ABOUT_US:
            self.ask()
        elif event.type in {*DISPATCHES, NEW_SCAN}:
            dispatch(event)
        elif event.type in DELETIONS:
            deleted(event)


def dispatch(event: Event) -> None:
    """A new scan is brought home like one that was dispatched, unless it asks for something else."""
    if not event.entity_id:
        log.warning("%s: it names nothing that can be fetched", event.type)
    elif event.type == NEW_SCAN and event.action not in {"", PULL}:
        log.info("%s: it asks for no pull", event.type)
    elif dispatches.are_too_many():
        log.warning("%s: it is not taken, because %s dispatches wait", event.type, dispatches.MOST_WAITING)
    else:
        is_new = dispatches.open_one(
            event.type.partition(".")[0],
            event.entity_id,
            timezone.now(),
            subject=event.subject_id,
            correlation=event.correlation_id,
            key=event.key,
        )
        log.info("%s: %s", event.type, "it is fetched" if is_new else "it was heard before")


def deleted(event: Event) -> None:
    """Nothing of ours goes because of it; what was dispatched of it is fetched and sent no further."""
    if not event.entity_id:
        log.warning("%s: it names nothing", event.type)
        return
    ended = deletions.note(event.type.partition(".")[0], event.entity_id, timezone.now())
    log.info("%s: %s dispatches of it ended; %s", event.type, ended, deletions.STAYS)

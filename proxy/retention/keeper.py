"""A slow clock lets go what is due: when `work` starts, and every ten minutes after."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings

from proxy.retention import held, images, results, sealed
from proxy.retention.facts import policy_of
from proxy.retention.images import Going
from proxy.retention.pausing import backup_comes, free_to_remove

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 600.0  # seconds
ACTOR: Final = "retention"


@dataclass(frozen=True, slots=True)
class Round:
    """What went."""

    revisions: int = 0
    images: int = 0
    seals: int = 0
    held: int = 0
    results: int = 0

    def __bool__(self) -> bool:
        return any((self.revisions, self.images, self.seals, self.held, self.results))


def look(now: datetime, going: Going = lambda: True) -> Round | None:
    """One round; None while a backup is being made, or another process has its round."""
    with free_to_remove() as free:
        gone = _round(now, lambda: going() and not backup_comes()) if free else None
    if gone:
        log.info("retention: %s", gone)
    return gone


def _round(now: datetime, going: Going) -> Round:
    finished = images.finish(now, going)
    policy = policy_of()
    gone = images.due(policy, now, going, ACTOR)
    home = results.due(policy, now, going, ACTOR)
    dropped = sealed.due(_days("RETENTION_SEALS"), now, going, ACTOR) if settings.RETENTION_SEALS else 0
    decided = held.due(_days("RETENTION_QUARANTINE"), now, going, ACTOR)
    return Round(gone.revisions, finished + gone.images, dropped, decided, home)


def _days(name: str) -> timedelta:
    return timedelta(days=getattr(settings, name))

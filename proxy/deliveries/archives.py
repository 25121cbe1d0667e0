"""The ZIP archives of deliveries that go out as one file: where they lie, and when they go.

An archive is named by its delivery alone. It stays until the delivery has succeeded (CLEANUP_AFTER_UPLOAD), was
dropped or expired; what a crash left behind, the sweep finds. An archive can be made again from the store at any time.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from proxy.deliveries.agents import beside
from proxy.deliveries.agents.archive import path_in
from proxy.deliveries.lifecycle import DELIVERED, DROPPED
from proxy.deliveries.models import Delivery
from proxy.studies.lifecycle import EXPIRED

SWEEP_EVERY = 3600.0  # seconds
PAGE = 500


def folder() -> Path:
    return Path(settings.ARCHIVE_DIR)


def forget(delivery_id: int) -> bool:
    """Remove this delivery's archive; False if there is none."""
    path = path_in(folder(), delivery_id)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    return True


def delivered(delivery_id: int) -> None:
    """It is there. CLEANUP_AFTER_UPLOAD=False keeps what was sent, until its images expire."""
    if settings.CLEANUP_AFTER_UPLOAD:
        with suppress(OSError):  # the sweep will find it
            forget(delivery_id)


def sweep() -> int:
    """Remove archives that nobody needs any longer, and halves that a killed worker left; how many."""
    if not folder().is_dir():
        return 0
    beside.sweep(folder())
    found = list(_found())
    pages = [found[start : start + PAGE] for start in range(0, len(found), PAGE)]
    return sum(forget(pk) for page in pages for pk in page if pk not in _needed(page))


def _found() -> Iterator[int]:
    for path in folder().glob("delivery-*.zip"):
        if match := re.fullmatch(r"delivery-([0-9]{1,18})\.zip", path.name):
            yield int(match[1])


def _needed(delivery_ids: list[int]) -> set[int]:
    over = [DROPPED, DELIVERED] if settings.CLEANUP_AFTER_UPLOAD else [DROPPED]
    rows = Delivery.objects.filter(pk__in=delivery_ids).exclude(state__in=over)
    return set(rows.exclude(revision__state=EXPIRED).values_list("pk", flat=True))

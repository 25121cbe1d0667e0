"""Whose project is it? Asked with every image, so it is remembered: for a site without customers it costs a look into a
dictionary."""

import time
from threading import Lock
from typing import Final

from proxy.tiers.models import Customer

HOLDS_FOR: Final = 1.0  # seconds, as the table of routes
NOBODYS_HOLDS_FOR: Final = 60.0  # a project is made with its customer, or never gets one

_owners: dict[int, tuple[float, Customer | None]] = {}
_lock = Lock()


def of_project(project_id: int) -> Customer | None:
    """Whose images come into this project; None for a project of the site."""
    found, now = _owners.get(project_id), time.monotonic()
    if found is not None and now < found[0]:
        return found[1]
    customer = Customer.objects.filter(project=project_id).first()
    with _lock:
        _owners[project_id] = (now + (NOBODYS_HOLDS_FOR if customer is None else HOLDS_FOR), customer)
    return customer


def forget() -> None:
    """Of this process; others notice within a second."""
    with _lock:
        _owners.clear()

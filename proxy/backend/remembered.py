"""What the backend said last, as it was believed. Whoever decides by it asks here."""

from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.db import transaction

from proxy.backend.configuration import Configuration
from proxy.backend.models import Standing
from proxy.backend.reading import read
from proxy.routing.audited import tell
from proxy.routing.match import Table
from proxy.routing.match import load_table as load_sites_table


def last_known() -> Configuration:
    """The last good value of each field; of a house that never heard the backend, what holds without it."""
    row = Standing.objects.filter(pk=1).first()
    return read(row.said).configuration if row is not None and row.said else Configuration()


def load_table() -> Table:
    """What is in force now, tightened by what the backend says. Without ITH_URL there is no backend, and none of its
    nodes is anybody."""
    table = load_sites_table()
    if not settings.ITH_URL:
        ours = {ae: tuple(one for one in nodes if one.is_sites) for ae, nodes in table.nodes.items()}
        return replace(table, nodes=ours)
    row = Standing.objects.filter(pk=1).first()
    if row is None:
        return table
    return replace(table, is_closed=not row.is_active, is_private=row.is_private)


def anonymizes() -> bool:
    """Whether what leaves is pseudonymous. The backend's no counts only where the site says that it may decide."""
    if not settings.DICOM_ANONYMIZE_PATIENTS:
        return False
    if not (settings.ITH_URL and settings.ITH_DECIDES_ANONYMIZATION):
        return True
    row = Standing.objects.filter(pk=1).first()
    return row is None or row.anonymize


def note_trouble(state: str, reason: str, now: datetime) -> None:
    """It could not be asked, or would not say. What it said last goes on to hold; only `inactive` closes the door."""
    Standing.objects.get_or_create(pk=1)
    changes: dict[str, object] = {"state": state, "reason": reason[:255], "asked_at": now}
    Standing.objects.filter(pk=1).update(**changes)
    if state == Standing.INACTIVE:
        close()


def close() -> bool:
    """Nobody comes in until the configuration says that we are active. Whether this changed anything."""
    with transaction.atomic():
        Standing.objects.get_or_create(pk=1)
        closed = Standing.objects.filter(pk=1, is_active=True).update(is_active=False)
        if closed:
            tell("backend", ["this proxy was set inactive: associations are refused"], "backend")
    return bool(closed)

"""Write down how far the audit reaches, and tell whoever keeps that for us where nobody here can reach it."""

import logging
import secrets
from dataclasses import asdict
from datetime import datetime

from django.conf import settings

from proxy.alerts.channels import webhook
from proxy.audit import anchors
from proxy.audit.anchors import Anchor

log = logging.getLogger(__name__)
_untold: list[Anchor] = []
"""The last one that the webhook has not taken yet; each says all that the ones before it said."""


def look(now: datetime) -> bool:
    """Whether there was something new to anchor."""
    made = anchors.anchor(anchors.file())
    if made is not None:
        _untold[:] = [made]
    if settings.AUDIT_ANCHORS_TO_WEBHOOK and webhook.place() and _untold and _tell(_untold[0], now):
        _untold.clear()
    return made is not None


def _tell(anchor: Anchor, now: datetime) -> bool:
    trouble = webhook.tell(body_of(anchor, now))
    if trouble is not None:
        log.warning("the webhook did not take an anchor of the audit, it is told again: %s", trouble.reason)
    return trouble is None


def body_of(anchor: Anchor, now: datetime) -> dict[str, object]:
    """A webhook tells it from alerts by its `anchor`."""
    return {
        "id": secrets.token_hex(16),
        "at": now.isoformat(timespec="seconds"),
        "from": settings.DICOM_AE_TITLE,
        "anchor": asdict(anchor),
    }

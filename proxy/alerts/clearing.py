"""What a person decides about an alert: it is known. Every one leaves a mark."""

from datetime import datetime

from django.db import transaction

from proxy.alerts.lifecycle import ALERT
from proxy.alerts.models import Alert
from proxy.audit.actions import ALERT_CLEARED
from proxy.audit.record import record


def clear(alert: Alert, by: str, now: datetime) -> bool:
    """If it is still so, the next look raises another one. False: it is cleared already."""
    with transaction.atomic():
        cleared = ALERT.move(Alert.objects.filter(pk=alert.pk), "clear", cleared_at=now, cleared_by=by)
        if cleared:
            record(ALERT_CLEARED, actor=by, subject=alert.subject, detail={"rule": alert.rule})
    return bool(cleared)

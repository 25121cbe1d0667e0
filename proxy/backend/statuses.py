"""What the backend hears of a dispatch: `dispatch.status`, through the outbox, where a newer one replaces the older."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from proxy.backend import outbox, remembered
from proxy.backend.models import Dispatch


def tell(row: Dispatch, status: str, now: datetime) -> None:
    """`status`: downloading, processing, completed or failed."""
    payload: Mapping[str, object] = {
        "status": status,
        "progress": 100 * row.sent // row.total if row.total else 0,
        "files_sent": row.sent,
        "files_total": row.total,
        "error": row.reason or None,
    }
    workspace = remembered.last_known().workspace_id
    body = dispatch_status(workspace, now, row.correlation, (row.kind, row.entity), payload)
    outbox.put(f"dispatch {row.pk}", body, now)


def dispatch_status(
    workspace: str, at: datetime, correlation: str, entity: tuple[str, str], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """`entity`: its type (session, scan, subject) and id."""
    return {
        "event_type": "dispatch.status",
        "workspace_id": workspace,
        "timestamp": at.isoformat(),
        "correlation_id": correlation,
        "entity_type": entity[0],
        "entity_id": entity[1],
        "payload": dict(payload),
    }

"""Moments, as every answer of `/v1` says them: RFC 3339, UTC, whole seconds."""

from datetime import UTC, datetime


def said(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

"""Moments as a person types them, in the time of the site."""

from datetime import UTC, datetime, tzinfo

ADVICE = "give a day or a time such as 2026-01-15 or 2026-01-15T18:00, by the clock of SITE_TIME_ZONE, or with +01:00."


def moment(text: str, zone: tzinfo) -> datetime:
    """In UTC. A day is its beginning. Raises ValueError with a sentence."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(ADVICE) from None
    try:
        return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise ValueError(ADVICE) from None

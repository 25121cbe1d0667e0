"""Hold what a rule found against the alerts there are. Nothing here looks at a clock or a table.

An alert is quiet: it says something when it is raised, when it is at least twice as bad as was told, and when it is
cleared. What comes and goes within `CLEARED_AFTER` is one alert and not many.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from proxy.alerts.findings import Finding, Rule
from proxy.alerts.lifecycle import SEEN

CLEARED_AFTER: Final = timedelta(minutes=5)


class Step(StrEnum):
    FIND = "find"
    RAISE = "raise"
    WORSEN = "worsen"
    KEEP = "keep"
    MISS = "miss"
    CLEAR = "clear"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Known:
    """An open alert, as far as it decides."""

    pk: int
    state: str
    told_weight: int
    found_at: datetime
    raised_at: datetime | None = None
    gone_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """`known` is None for what nobody has seen yet, `finding` is None for what is gone."""

    step: Step
    subject: str
    known: Known | None
    finding: Finding | None


def decide(
    rule: Rule, known: Mapping[str, Known], found: Mapping[str, Finding], now: datetime
) -> Iterator[Change]:
    """One change for each subject that is known or found."""
    for subject in sorted({*known, *found}):
        one, finding = known.get(subject), found.get(subject)
        step = _found(rule, one, finding, now) if finding else _gone(one, now)
        yield Change(step, subject, one, finding)


def _found(rule: Rule, known: Known | None, finding: Finding, now: datetime) -> Step:
    """What needs no patience is raised at once."""
    if known is None:
        return Step.FIND if rule.patience else Step.RAISE
    if known.state == SEEN:
        return Step.RAISE if now - known.found_at >= rule.patience else Step.KEEP
    is_calm = known.raised_at is not None and now - known.raised_at < rule.calm
    return Step.WORSEN if finding.weight >= 2 * known.told_weight and not is_calm else Step.KEEP


def _gone(known: Known | None, now: datetime) -> Step:
    """What nobody was told of is forgotten at once: patience wants it found every time."""
    if known is not None and known.state == SEEN:
        return Step.FORGET
    if known is None or known.gone_at is None or now - known.gone_at < CLEARED_AFTER:
        return Step.MISS
    return Step.CLEAR

"""Let the rules look that are due, write down what changed, and make notices of it."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from proxy.alerts import notices
from proxy.alerts.deciding import Change, Known, Step, decide
from proxy.alerts.findings import Finding, Rule
from proxy.alerts.lifecycle import ALERT, CLEARED, RAISED, SEEN
from proxy.alerts.models import Alert, Look
from proxy.alerts.notices import Told
from proxy.alerts.rules import BLIND, RULES

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 15.0  # seconds between two rounds; each rule has a pause of its own
LONG_AGO: Final = timedelta(days=2)
MOST: Final = 100
"""Findings of one rule that are alerts; more than so many, nobody reads."""


Found = tuple[Rule, Mapping[str, Finding]]


def look(now: datetime, going: Callable[[], bool] = lambda: True, rules: Sequence[Rule] = RULES) -> int:
    """Look as every rule that is due; how many alerts changed. Of several processes each rule has one that looks.

    What changed is written down together with the notices of it, so that no alert is raised and not told.
    """
    in_force = [rule for rule in rules if rule.name not in settings.ALERT_RULES_OFF]
    mine = (rule for rule in due(in_force, now) if going() and claim(rule, now))
    found, blind, looked = _all_found(mine, now)
    _let_go({rule.name for rule in in_force}, now)
    if not looked:
        return 0
    with transaction.atomic():
        told = [change for rule, findings in found for change in keep(rule, findings, now)]
        told += keep(BLIND, blind, now, only=looked)
        notices.make(told, now)
    return len(told)


def _all_found(rules: Iterable[Rule], now: datetime) -> tuple[list[Found], dict[str, Finding], set[str]]:
    """What each rule found; those that could not look; and all that tried."""
    found: list[Found] = []
    blind: dict[str, Finding] = {}
    looked: set[str] = set()
    for rule in rules:
        looked.add(rule.name)
        said = _look(rule, now)
        if isinstance(said, Finding):
            blind[rule.name] = said
        else:
            found.append((rule, said))
    return found, blind, looked


def _let_go(names: set[str], now: datetime) -> None:
    """Nobody looks after alerts of a rule that was turned off."""
    rows = Alert.objects.exclude(rule__in=names | {BLIND.name}).exclude(state=CLEARED)
    if rows.exists():
        rows.filter(state=SEEN).delete()
        ALERT.move(rows, "clear", cleared_at=now, cleared_by="ALERT_RULES_OFF")


def due(rules: Sequence[Rule], now: datetime) -> list[Rule]:
    """Reading alone: a round with nothing to do keeps no writer waiting. A next look that lies further ahead than it
    may was set by a clock that was wrong."""
    known = dict(Look.objects.values_list("rule", "next_at"))
    new = [Look(rule=rule.name, next_at=now) for rule in rules if rule.name not in known]
    if new:
        Look.objects.bulk_create(new, ignore_conflicts=True)
    return [rule for rule in rules if not now < known.get(rule.name, now) <= now + rule.every]


def claim(rule: Rule, now: datetime) -> bool:
    """Whoever moves its next look on, looks."""
    is_due = Q(next_at__lte=now) | Q(next_at__gt=now + rule.every)
    return bool(Look.objects.filter(is_due, rule=rule.name).update(next_at=now + rule.every, looked_at=now))


def _look(rule: Rule, now: datetime) -> Mapping[str, Finding] | Finding:
    """What it found, by subject; or that it could not look, which ends no other rule's look."""
    try:
        return _by_subject(rule.look(now))
    except Exception as trouble:
        log.error("the rule %s ended in %s; it looks again", rule.name, type(trouble).__name__)
        return Finding(rule.name, f"Looking ended in {type(trouble).__name__}.")


def _by_subject(found: Iterable[Finding]) -> Mapping[str, Finding]:
    """Of two with one subject, the worse one."""
    kept: dict[str, Finding] = {}
    for one in found:
        if one.subject not in kept or kept[one.subject].weight < one.weight:
            kept[one.subject] = one
        if len(kept) >= MOST:
            break
    return kept


# --- writing down ---------------------------------------------------------------------------------


def keep(rule: Rule, found: Mapping[str, Finding], now: datetime, only: set[str] | None = None) -> list[Told]:
    """Bring the table to what was found; what is to be told. `only`: nothing is known of other subjects."""
    rows = Alert.objects.filter(rule=rule.name).exclude(state=CLEARED)
    if only is not None:
        rows = rows.filter(subject__in=only)
    known = {row.subject: _known(row, now) for row in rows}
    told: list[Told] = []
    for change in decide(rule, known, found, now):
        told += _make(rule, change, now)
    return told


def _known(row: Alert, now: datetime) -> Known:
    """A time that is still to come was written by a clock that was ahead: it counts as long ago, or nothing would be
    raised, told again or cleared until then."""
    found_at, raised_at, gone_at = (
        now - LONG_AGO if moment is not None and moment > now else moment
        for moment in (row.found_at, row.raised_at, row.gone_at)
    )
    return Known(row.pk, row.state, row.told_weight, found_at or now, raised_at, gone_at)


def _make(rule: Rule, change: Change, now: datetime) -> list[Told]:
    if change.known is None:
        return _first(rule, change, now)
    rows = Alert.objects.filter(pk=change.known.pk).exclude(state=CLEARED)
    match change.step, change.finding:
        case Step.KEEP, Finding() as finding:
            rows.update(**_said(finding, now))
        case Step.RAISE | Step.WORSEN, Finding() as finding:
            event, word = ("raise", "raised") if change.step is Step.RAISE else ("worsen", "worse")
            said = {**_said(finding, now), "raised_at": now, "told_weight": finding.weight}
            return _moved(word, ALERT.move(rows, event, **said), change.known.pk)
        case Step.MISS, _:
            rows.filter(gone_at=None).update(gone_at=now)
        case Step.FORGET, _:
            rows.filter(state=SEEN).delete()
        case Step.CLEAR, _:
            return _moved("cleared", ALERT.move(rows, "clear", cleared_at=now), change.known.pk)
    return []


def _first(rule: Rule, change: Change, now: datetime) -> list[Told]:
    """Somebody else may have written the same down: then it is theirs to tell."""
    finding = change.finding
    if finding is None:
        return []
    raised = change.step is Step.RAISE
    row = Alert(
        rule=rule.name,
        subject=change.subject,
        state=RAISED if raised else SEEN,
        found_at=now,
        raised_at=now if raised else None,
        told_weight=finding.weight if raised else 0,
        **_said(finding, now),
    )
    Alert.objects.bulk_create([row], ignore_conflicts=True)
    mine = Alert.objects.filter(rule=rule.name, subject=change.subject, found_at=now).exclude(state=CLEARED)
    return [("raised", one) for one in mine] if raised else []


def _said(finding: Finding, now: datetime) -> dict[str, object]:
    return {"sentence": finding.sentence, "weight": finding.weight, "seen_at": now, "gone_at": None}


def _moved(word: str, moved: int, pk: int) -> list[Told]:
    return [(word, Alert.objects.get(pk=pk))] if moved else []

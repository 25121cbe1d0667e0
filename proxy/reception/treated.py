"""From the engine's report to what is kept of it: counts and names of rules, never a value."""

import hashlib
import json
from collections import defaultdict
from functools import lru_cache
from typing import Any

from proxy.deid import Engine, Report
from proxy.deid.recipe import GATES, Recipe
from proxy.studies.treatments import Said


@lru_cache(maxsize=256)
def said(report: Report, engine: Engine, waived: frozenset[str]) -> Said:
    """Images of one series have one report; an engine stands for its recipe as it was read."""
    content = json.dumps(_content(report, engine, waived), sort_keys=True, separators=(",", ":"))
    return Said(hashlib.sha256(content.encode("ascii")).hexdigest()[:32], content)


def _content(report: Report, engine: Engine, waived: frozenset[str]) -> dict[str, Any]:
    return {
        "recipe": {
            "name": report.recipe,
            "fingerprint": engine.fingerprint,
            "edition": report.edition,
            "options": sorted(report.options),
            "codes": list(report.codes),
        },
        "actions": _by_attribute(report),
        "gates": _gates(engine.recipe, waived),
        "hunted": report.hunted,
        "masked": report.masked,
    }


def _by_attribute(report: Report) -> dict[str, dict[str, int]]:
    """Tag in eight hex digits to action to count, nested elements included."""
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for (tag, action), count in report.actions.items():
        counts[f"{tag:08X}"][action] = count
    return dict(counts)


def _gates(recipe: Recipe, waived: frozenset[str]) -> dict[str, Any]:
    """What they were set to, and which of them a person opened for this image."""
    return {"settings": {name: recipe.gate(name) for name in GATES}, "opened": sorted(waived)}

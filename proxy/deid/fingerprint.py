"""What tells two recipes apart whatever their names: a digest of every rule as it was read."""

import hashlib
import json
from dataclasses import asdict
from typing import Any

from proxy.deid.recipe import GATES, Line, Recipe


def fingerprint(recipe: Recipe) -> str:
    """SHA-256 in hex. Where a rule was written (file and line) is no part of it."""
    said = json.dumps(_plain(recipe), sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8")).hexdigest()


def _plain(recipe: Recipe) -> dict[str, Any]:
    return {
        "name": recipe.name,
        "edition": recipe.edition,
        "options": sorted(recipe.options),
        "rules": [_rule(line) for line in recipe.lines],
        "unknown": recipe.unknown,
        "private": recipe.private,
        "marks": recipe.marks,
        "hunting": recipe.hunting,
        "gates": {name: recipe.gate(name) for name in GATES},
        "masks": [asdict(entry) for entry in recipe.masks],
        "ocr": recipe.ocr,
        "dates": recipe.dates,
    }


def _rule(line: Line) -> list[Any]:
    target = line.target
    return [target.mask, target.creator, list(target.path), line.action, list(line.arguments)]

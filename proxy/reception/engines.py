"""A compiled engine for each recipe, shared by every association; a recipe file that changed is read again."""

import threading
from pathlib import Path

from django.conf import settings

from proxy.deid import Engine, Limits, load_recipe

_engines: dict[str, tuple[float, Engine]] = {}
_lock = threading.Lock()


def engine_for(recipe: str) -> Engine:
    """Raises RecipeError: without rules nothing is received (promise 1)."""
    stamp = _stamp(recipe)
    known = _engines.get(recipe)
    if known is not None and known[0] == stamp:
        return known[1]
    with _lock:
        engine = Engine(load_recipe(recipe), Limits(header=settings.HEADER_LIMIT << 20))
        _engines[recipe] = (stamp, engine)
    return engine


def _stamp(recipe: str) -> float:
    if not recipe.endswith((".yaml", ".yml")):
        return 0.0
    path = Path(recipe)
    return path.stat().st_mtime if path.is_file() else 0.0

"""Whether a whole recipe can mean what it says: rules that contradict each other, and rules that nothing can match."""

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

from proxy.deid.dictionary import keyword_of
from proxy.deid.errors import RecipeError
from proxy.deid.plan import MARKS, PIXELS, Plan
from proxy.deid.rules import show

if TYPE_CHECKING:
    from proxy.deid.recipe import Line, Recipe, Target

_GONE: Final = frozenset(("delete", "drop", "empty"))


def refuse_contradictions(lines: "Sequence[Line]") -> None:
    """Of one file: two rules for one attribute, or two patterns that meet without one being the narrower.

    An exact rule wins over a pattern, a narrower pattern over a wider one, a child's rule over its parent's.
    """
    seen: dict[Target, Line] = {}
    for line in lines:
        if line.target in seen:
            raise RecipeError(f"{line.where}: contradicts {seen[line.target].where}, the same attribute")
        seen[line.target] = line
    masks = [line for line in lines if "x" in line.target.mask]
    for one, other in combinations(masks, 2):
        if _meet(one.target, other.target) and one.action != other.action:
            raise RecipeError(f"{other.where}: contradicts {one.where}: both match the same attributes")


def _meet(one: "Target", other: "Target") -> bool:
    """True if some attribute is matched by both, and neither is the narrower."""
    if one.creator != other.creator:
        return False
    pairs = list(zip(one.mask, other.mask, strict=True))
    if any(a != b and "x" not in (a, b) for a, b in pairs):
        return False
    return any(a == "x" != b for a, b in pairs) and any(b == "x" != a for a, b in pairs)


def refuse_the_impossible(recipe: "Recipe", lines: "Sequence[Line]") -> None:
    """Rules of one file, within the recipe that came of it."""
    plan = Plan(recipe)
    for line in lines:
        for trouble in (*_never(recipe, line), *_below_nothing(recipe, plan, line)):
            raise RecipeError(f"{line.where}: {trouble}")


def _never(recipe: "Recipe", line: "Line") -> Iterator[str]:
    tag = line.target.tag
    if tag is None:
        return
    if tag in MARKS and recipe.marks:
        yield f"the engine writes {keyword_of(tag)} itself; no rule can change it"
    if tag in PIXELS:
        yield "pixel data pass as they are (see burned-in); no rule can change them"
    if tag & 0xFFFF == 0:
        yield "group lengths are never kept, because they would be wrong"


def _below_nothing(recipe: "Recipe", plan: Plan, line: "Line") -> Iterator[str]:
    """A path leads nowhere if a sequence on it goes as a whole."""
    said = {(other.target.path, other.target.tag): other.action for other in recipe.lines}
    path = line.target.path
    for depth, tag in enumerate(path):
        action = said.get((path[:depth], tag)) or plan.choose(tag, "SQ").name
        if action in _GONE:
            yield f"can never match: {keyword_of(tag) or show(tag)} above it goes as a whole; keep it by a rule"

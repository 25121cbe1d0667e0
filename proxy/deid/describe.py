"""What a recipe does to every attribute, as rows: for `describe RECIPE` and the pages."""

from dataclasses import dataclass
from typing import Final

from proxy.deid.dictionary import KEYWORDS, keyword_of, vr_of
from proxy.deid.plan import Plan
from proxy.deid.recipe import Recipe

# What the engine calls by how it looks at the value is, for a reader, one of the actions of recipes
_PLAINLY: Final = {"numeric": "keep", "opaque": "keep", "words": "keep", "walk": "keep", "drop": "delete"}


@dataclass(frozen=True, slots=True)
class Row:
    tag: int
    keyword: str
    vr: str
    action: str
    source: str  # 'rule', 'option', 'table' or 'default'


def describe(recipe: Recipe) -> tuple[Row, ...]:
    """Every attribute of PS3.6, in order of tags. File Meta is always written anew and not listed."""
    plan = Plan(recipe)
    tags = sorted(tag for tag in KEYWORDS.values() if tag >> 16 not in (0x0000, 0x0002, 0x0004, 0xFFFE))
    return tuple(_row(plan, tag) for tag in tags)


def _row(plan: Plan, tag: int) -> Row:
    vr = vr_of(tag)
    choice = plan.choose(tag, vr)
    return Row(tag, keyword_of(tag), vr, _PLAINLY.get(choice.name, choice.name), choice.source)

"""What a recipe does to every attribute, as rows: for `describe RECIPE` and the pages."""

from dataclasses import dataclass
from typing import Final

from proxy.deid.dictionary import KEYWORDS, keyword_of, vr_of
from proxy.deid.plan import Plan
from proxy.deid.recipe import Line, Recipe

# What the engine calls by how it looks at the value is, for a reader, one of the actions of recipes
_PLAINLY: Final = {"numeric": "keep", "opaque": "keep", "words": "keep", "walk": "keep", "drop": "delete"}


@dataclass(frozen=True, slots=True)
class Row:
    tag: int
    keyword: str  # of a rule for private, repeated or nested attributes: the attribute as the rule writes it
    vr: str
    action: str
    source: str  # 'rule', 'option', 'table' or 'default'
    where: str = ""  # of a rule: file and line
    arguments: tuple[str, ...] = ()


def describe(recipe: Recipe) -> tuple[Row, ...]:
    """Every attribute of PS3.6, in order of tags, then the rules that mean private, repeated or nested ones.

    File Meta is always written anew and not listed.
    """
    plan = Plan(recipe)
    exact = {line.target.tag: line for line in recipe.lines if not _apart(line)}
    tags = sorted(tag for tag in KEYWORDS.values() if tag >> 16 not in (0x0000, 0x0002, 0x0004, 0xFFFE))
    apart = (_row_of(line) for line in recipe.lines if _apart(line))
    return (*(_row(plan, tag, exact.get(tag)) for tag in tags), *apart)


def _apart(line: Line) -> bool:
    tag = line.target.tag
    return bool(line.target.path) or tag is None or not keyword_of(tag)


def _is_mask(line: Line) -> bool:
    return "x" in line.target.mask and not line.target.creator


def _row(plan: Plan, tag: int, line: Line | None) -> Row:
    vr = vr_of(tag)
    choice = plan.choose(tag, vr)
    action = _PLAINLY.get(choice.name, choice.name)
    if choice.source != "rule":
        return Row(tag, keyword_of(tag), vr, action, choice.source)
    line = line or next(one for one in plan.recipe.lines if _is_mask(one) and one.target.matches(tag))
    return Row(tag, keyword_of(tag), vr, action, "rule", line.where, line.arguments)


def _row_of(line: Line) -> Row:
    tag = int(line.target.mask.replace("x", "0"), 16)
    return Row(tag, str(line.target), line.target.vr, line.action, "rule", line.where, line.arguments)

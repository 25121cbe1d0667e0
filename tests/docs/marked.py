"""Pages with parts that are made of the code: each stands between two comments that name it."""

import re
from collections.abc import Mapping, Sequence

_PART = re.compile(
    r"(?P<begin><!-- made by [a-z ]+: (?P<name>[a-z-]+) -->\n)"
    r"(?P<content>.*?)"
    r"(?P<end><!-- end of (?P=name) -->)",
    re.DOTALL,
)


def parts(page: str) -> dict[str, str]:
    """Name to content, as the page has them."""
    return {one["name"]: one["content"].strip("\n") for one in _PART.finditer(page)}


def filled(page: str, made: Mapping[str, str]) -> str:
    """The page with every part made anew. Raises KeyError for a part that nobody makes."""
    return _PART.sub(lambda one: f"{one['begin']}{made[one['name']]}\n{one['end']}", page)


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Of Markdown. A bar within a cell is escaped."""
    first, *rest = ("| " + " | ".join(map(_cell, line)) + " |" for line in [heads, *rows])
    return "\n".join([first, "|" + "---|" * len(heads), *rest])


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|")


def rows(part: str) -> list[list[str]]:
    """The cells of a table, without its heads and without the marks of code."""
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip(" `") for cell in re.split(r"(?<!\\)\|", line[1:-1])] for line in lines]

"""Which series never leave by a route: those whose description fits one of its rules.

What counts is the description as the sender has it, read while the image is in memory: most recipes remove it. A rule
is the site's own text, so it may be kept and shown.
"""

import re
from collections.abc import Iterable
from functools import lru_cache


def rule_for(description: str, rules: Iterable[str]) -> str:
    """The first of these that fits; empty if none does. Case and the width of spaces do not matter."""
    said = _plain(description)
    return next((rule for rule in rules if _pattern(rule).fullmatch(said)), "") if said else ""


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=1024)
def _pattern(rule: str) -> re.Pattern[str]:
    """DICOM's own wildcards (PS3.4 C.2.2.2.4)."""
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(one) or re.escape(one) for one in _plain(rule)), re.DOTALL)

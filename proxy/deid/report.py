"""What was done, without a single value: counts per attribute and action."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Report:
    recipe: str
    edition: str
    options: tuple[str, ...]
    actions: Mapping[tuple[int, str], int]  # (tag, action) to count
    holds: tuple[str, ...] = ()
    hunted: int = 0  # elements from which the hunt cut something
    codes: tuple[str, ...] = field(default=())  # CID 7050 codes claimed

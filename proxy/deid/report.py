"""What was done, without a single value: counts per attribute and action."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple


class Report(NamedTuple):
    recipe: str
    edition: str
    options: tuple[str, ...]
    log: tuple[tuple[int, str], ...]  # (tag, action) of every change but removal, in order
    dropped: tuple[int, ...] = ()  # tags of what was removed
    holds: tuple[str, ...] = ()
    hunted: int = 0  # elements from which the hunt cut something
    codes: tuple[str, ...] = ()  # CID 7050 codes claimed
    masked: str = ""  # the entry of the mask library by which pixels were made black

    def __repr__(self) -> str:
        return f"Report({self.recipe} {self.edition}, {len(self.log) + len(self.dropped)} changes)"

    @property
    def actions(self) -> Mapping[tuple[int, str], int]:
        """(tag, action) to count."""
        return Counter(self.log) + Counter((tag, "delete") for tag in self.dropped)

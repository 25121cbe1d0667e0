"""What was done, without a single value: counts per attribute and action."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Report:
    recipe: str
    edition: str
    options: tuple[str, ...]
    log: tuple[tuple[int, str], ...] = field(
        repr=False
    )  # (tag, action) of every change but removal, in order
    dropped: tuple[int, ...] = field(repr=False, default=())  # tags of what was removed
    holds: tuple[str, ...] = ()
    hunted: int = 0  # elements from which the hunt cut something
    codes: tuple[str, ...] = ()  # CID 7050 codes claimed
    masked: str = ""  # the entry of the mask library by which pixels were made black

    @property
    def actions(self) -> Mapping[tuple[int, str], int]:
        """(tag, action) to count."""
        return Counter(self.log) + Counter((tag, "delete") for tag in self.dropped)

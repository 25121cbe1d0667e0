"""The names of what can be done to a chain, and the sentence for each."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    EDITED = "edited"
    REPLACED = "replaced"
    DELETED = "deleted"
    MOVED = "reordered"
    INSERTED = "inserted"
    TRUNCATED = "truncated"
    UNLINKED = "unlinked"
    HEAD_GONE = "head gone"
    HEAD_CHANGED = "head changed"
    ANCHOR_CHANGED = "anchor changed"
    ANCHORS_CUT = "anchors cut"
    CONTRADICTED = "rewritten"


_SAYS = {
    Kind.EDITED: "{places} changed after being written.",
    Kind.REPLACED: "{places} replaced by what we did not write.",
    Kind.DELETED: "{places} deleted.",
    Kind.MOVED: "{places} moved there from {origin}.",
    Kind.INSERTED: "{places} inserted by somebody else.",
    Kind.TRUNCATED: "{places} cut off at the end.",
    Kind.UNLINKED: "{places} written after another entry than the one before it.",
    Kind.HEAD_GONE: "The head row is gone; the last entry is {first}.",
    Kind.HEAD_CHANGED: "The head row was changed; it says that there are {first} entries.",
    Kind.ANCHOR_CHANGED: "The anchor at {first} entries was changed.",
    Kind.ANCHORS_CUT: "The anchors' file does not hold its anchor at {first} entries: it was cut, replaced or moved.",
    Kind.CONTRADICTED: "Entry {first} is not the one that its anchor saw: the chain was written anew.",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was done to the entries `first` to `last`; `offset` leads to where moved ones were written."""

    kind: Kind
    first: int
    last: int
    offset: int = 0

    @property
    def sentence(self) -> str:
        origin = f"{self.first + self.offset}"
        return _SAYS[self.kind].format(places=self._places(), first=self.first, origin=origin)

    def _places(self) -> str:
        if self.first == self.last:
            return f"Entry {self.first} was"
        return f"Entries {self.first} to {self.last} were"


ALONE: Final = frozenset({Kind.ANCHOR_CHANGED, Kind.ANCHORS_CUT, Kind.CONTRADICTED})
"""Said of one place, not of all between two."""


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Neighbours of one fate become one finding; in the order of the chain."""
    done: list[Finding] = []
    for one in sorted(set(findings), key=lambda found: (found.kind, found.offset, found.first, found.last)):
        if done and _continues(done[-1], one):
            done[-1] = replace(done[-1], last=max(done[-1].last, one.last))
        else:
            done.append(one)
    return tuple(sorted(done, key=lambda found: (found.first, found.kind)))


def _continues(one: Finding, other: Finding) -> bool:
    alike = (one.kind, one.offset) == (other.kind, other.offset)
    return alike and one.kind not in ALONE and other.first <= one.last + 1

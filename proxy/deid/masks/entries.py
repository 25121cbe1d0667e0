"""The library of masks: one entry says which part of which device's images may show a name.

A length is a number of pixels or a share of the image (`10%`). Pixels mean something only for one size, so an entry
that counts them says rows and columns. The first entry that fits an image decides.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import yaml

from proxy.deid.source import Source, meant

LIBRARY: Final = Path(__file__).with_name("library.yaml")
LARGEST_SIDE: Final = 65535  # Rows and Columns are US
_KEYS: Final = frozenset(
    ("name", "manufacturer", "model", "modality", "rows", "columns", "rectangles", "whole", "outside")
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,39}")
_LENGTH: Final = re.compile(r"(\d{1,5})(?:\.(\d{1,2}))?(%?)")
_RANGE: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")
_LONGEST_VALUE: Final = 64  # LO, PS3.5 6.2
_WHOLE_SHARE: Final = 10_000

Span = tuple[int, int]  # smallest, largest
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels, the last two outside


@dataclass(frozen=True, slots=True)
class Length:
    """Pixels, or hundredths of a percent of a side."""

    amount: int
    is_share: bool

    def low(self, side: int) -> int:
        return self.amount * side // _WHOLE_SHARE if self.is_share else self.amount

    def high(self, side: int) -> int:
        return -(-self.amount * side // _WHOLE_SHARE) if self.is_share else self.amount


@dataclass(frozen=True, slots=True)
class Rectangle:
    """[x, y, width, height] as it is written."""

    x: Length
    y: Length
    width: Length
    height: Length

    def box(self, rows: int, columns: int) -> Box:
        """Shares are rounded outwards; nothing lies outside the image."""
        left, top = self.x.low(columns), self.y.low(rows)
        right = min(self.x.high(columns) + self.width.high(columns), columns)
        bottom = min(self.y.high(rows) + self.height.high(rows), rows)
        return left, top, right, bottom


_ALL: Final = Rectangle(
    Length(0, True), Length(0, True), Length(_WHOLE_SHARE, True), Length(_WHOLE_SHARE, True)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Which images, and what of them becomes black."""

    name: str
    manufacturer: re.Pattern[str]
    model: re.Pattern[str]
    modality: str
    rows: Span
    columns: Span
    rectangles: tuple[Rectangle, ...]
    outside_regions: bool = False

    def fits(self, manufacturer: str, model: str, modality: str, rows: int, columns: int) -> bool:
        return (
            self.modality in ("", modality)
            and self.rows[0] <= rows <= self.rows[1]
            and self.columns[0] <= columns <= self.columns[1]
            and _found(self.manufacturer, manufacturer)
            and _found(self.model, model)
        )


def _found(pattern: re.Pattern[str], value: str) -> bool:
    return len(value) <= _LONGEST_VALUE and pattern.search(value) is not None


@cache
def shipped() -> tuple[Entry, ...]:
    return load_entries(LIBRARY)


def load_entries(path: Path) -> tuple[Entry, ...]:
    """Raises RecipeError with file and line."""
    source = Source(path, ("entries",))
    node = source.nodes.get("entries")
    if not isinstance(node, yaml.SequenceNode) or not node.value:
        raise source.error("entries", "entries is a list of at least one entry")
    entries: dict[str, Entry] = {}
    for item in node.value:
        entry = _Reader(source, item).entry()
        if entry.name in entries:
            raise source.fault(item, f"{entry.name} stands here twice")
        entries[entry.name] = entry
    return tuple(entries.values())


class _Reader:
    """One entry."""

    def __init__(self, source: Source, node: yaml.Node) -> None:
        self._source, self._node = source, node
        if not isinstance(node, yaml.MappingNode):
            raise source.fault(node, "an entry is a mapping of keys to values")
        self._nodes: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = source.word(key)
            if name not in _KEYS:
                raise source.fault(key, f"unknown key {name!r}{meant(name, _KEYS)}")
            if name in self._nodes:
                raise source.fault(key, f"{name} stands here twice")
            self._nodes[name] = value

    def entry(self) -> Entry:
        rows, columns = self._span("rows"), self._span("columns")
        rectangles = self._what()
        self._refuse_pixels(rectangles, rows, columns)
        return Entry(
            self._name(), self._pattern("manufacturer"), self._pattern("model"),
            self._word("modality"), rows, columns, rectangles, "outside" in self._nodes,
        )  # fmt: skip

    def _word(self, key: str) -> str:
        node = self._nodes.get(key)
        return self._source.word(node) if node else ""

    def _name(self) -> str:
        name = self._word("name")
        if not _NAME.fullmatch(name):
            raise self._source.fault(
                self._nodes.get("name", self._node), "an entry has a name of 1 to 40 letters, digits or ._-"
            )
        return name

    def _pattern(self, key: str) -> re.Pattern[str]:
        """The manufacturer must be said: a mask for everybody would be a guess."""
        node, said = self._nodes.get(key, self._node), self._word(key)
        if not said and (key == "manufacturer" or key in self._nodes):
            raise self._source.fault(node, f"{key} says nothing")
        try:
            return re.compile(said, re.IGNORECASE)
        except re.error as trouble:
            raise self._source.fault(node, f"{key} is no regular expression: {trouble.msg}") from None

    def _span(self, key: str) -> Span:
        node = self._nodes.get(key)
        if node is None:
            return 1, LARGEST_SIDE
        match = _RANGE.fullmatch(self._source.word(node))
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high <= LARGEST_SIDE:
            raise self._source.fault(
                node, f"{key} is a number, or two as in 400-800, from 1 to {LARGEST_SIDE}"
            )
        return low, high

    def _what(self) -> tuple[Rectangle, ...]:
        said = [key for key in ("rectangles", "whole", "outside") if key in self._nodes]
        if not said or (len(said) > 1 and "whole" in said):
            raise self._source.fault(
                self._node, "an entry says rectangles, outside: regions, both, or whole: true"
            )
        for key, wanted in (("whole", "true"), ("outside", "regions")):
            if key in said and self._word(key) != wanted:
                raise self._source.fault(self._nodes[key], f"{key} can only be {wanted}")
        if "whole" in said:
            return (_ALL,)
        return self._rectangles(self._nodes["rectangles"]) if "rectangles" in said else ()

    def _rectangles(self, node: yaml.Node) -> tuple[Rectangle, ...]:
        if not isinstance(node, yaml.SequenceNode) or not node.value:
            raise self._source.fault(node, "rectangles is a list of [x, y, width, height]")
        return tuple(self._rectangle(item) for item in node.value)

    def _rectangle(self, node: yaml.Node) -> Rectangle:
        if not isinstance(node, yaml.SequenceNode) or len(node.value) != 4:
            raise self._source.fault(node, "a rectangle is [x, y, width, height]")
        x, y, width, height = (self._length(item) for item in node.value)
        if not width.amount or not height.amount:
            raise self._source.fault(node, "a rectangle without width or height covers nothing")
        return Rectangle(x, y, width, height)

    def _length(self, node: yaml.Node) -> Length:
        match = _LENGTH.fullmatch(self._source.word(node))
        if match is None or (match[2] and not match[3]):
            raise self._source.fault(node, "a length is a number of pixels, or a share such as 12.5%")
        if not match[3]:
            return Length(int(match[1]), False)
        amount = int(match[1]) * 100 + int((match[2] or "0").ljust(2, "0"))
        if amount > _WHOLE_SHARE:
            raise self._source.fault(node, "no share is more than 100%")
        return Length(amount, True)

    def _refuse_pixels(self, rectangles: tuple[Rectangle, ...], rows: Span, columns: Span) -> None:
        sides: Mapping[str, Span] = {"rows": rows, "columns": columns}
        for rectangle in rectangles:
            for key, start, size in (
                ("columns", rectangle.x, rectangle.width),
                ("rows", rectangle.y, rectangle.height),
            ):
                self._refuse_side(key, sides[key], start, size)

    def _refuse_side(self, key: str, side: Span, start: Length, size: Length) -> None:
        one_size = side[0] == side[1]
        if not one_size and any(length.amount and not length.is_share for length in (start, size)):
            raise self._source.fault(
                self._nodes["rectangles"], f"pixels mean something for one size only: say {key}, or shares"
            )
        whole = side[0] if one_size else _WHOLE_SHARE
        if start.low(whole) + size.low(whole) > whole:
            raise self._source.fault(self._nodes["rectangles"], "a rectangle reaches out of the image")

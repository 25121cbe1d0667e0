"""What the attributes of the index were before an image lost its identity, read from the plain bytes of its seal.

A seal holds what its recipe changed or removed, as it was encoded. What is not in it stands in the index as it came; of
a sequence it may hold parts of some items, which are laid over what the index says of the others.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Final, TypeAlias

from proxy.deid import seal
from proxy.deid.charsets import decode
from proxy.deid.errors import DeidError
from proxy.deid.seal import CHARSET, Opened, Piece
from proxy.network import identifier
from proxy.network.identifier import Key
from proxy.network.messages import Malformed
from proxy.retrieval.query.attributes import BY_KEYWORD, BY_TAG
from proxy.studies import nested
from proxy.studies.nested import MOST_ITEMS, MOST_TEXT, SEQUENCES, Items, Part

_ITEM: Final = b"\xfe\xff\x00\xe0"
LONGEST: Final = 1_024  # bytes of a value

Patch: TypeAlias = "Items | dict[str, Item]"
"""Of a sequence: all of it as it was, or what was in some of its items, by their numbers."""
Item: TypeAlias = "dict[str, str | Patch]"


class Originals(Mapping[str, str]):
    """By keyword; of a sequence its patch, see `original`, which is read only where somebody asks for it."""

    __slots__ = ("_charset", "_explicit", "_patches", "_values", "_wholes")

    def __init__(self, opened: Opened) -> None:
        self._charset = opened.extras.get(CHARSET, b"")
        self._explicit = opened.explicit
        self._values: dict[str, str] = {}
        self._wholes: dict[str, Key] = {}
        self._patches: dict[str, list[Piece]] = {}
        for piece in opened.pieces:
            if not piece.path:
                self._take(piece)
            elif piece.path[0][0] in SEQUENCES:
                self._patches.setdefault(BY_TAG[piece.path[0][0]].keyword, []).append(piece)

    def _take(self, piece: Piece) -> None:
        for key in _elements(piece, self._explicit):
            attribute = BY_TAG.get(key.tag)
            if attribute is None:
                continue
            if attribute.parts:
                self._wholes[attribute.keyword] = key
            else:
                self._values[attribute.keyword] = _text(key.value, self._charset)

    def __getitem__(self, keyword: str) -> str:
        value = self._values.get(keyword)
        return self._sequence(keyword) if value is None else value

    def _sequence(self, keyword: str) -> str:
        parts = BY_KEYWORD[keyword].parts
        if keyword in self._wholes:
            return nested.packed(nested.read(self._wholes[keyword], parts, self._charset)) or "[]"
        patch = json.dumps(_patch(self._patches[keyword], parts, self._explicit, self._charset))
        return patch if len(patch) <= MOST_TEXT else "{}"

    def __iter__(self) -> Iterator[str]:
        return chain(self._values, self._wholes, self._patches.keys() - self._wholes.keys())

    def __len__(self) -> int:
        return len(self._values) + len(self._wholes.keys() | self._patches.keys())


def originals(plain: bytes) -> Mapping[str, str]:
    """What cannot be read any more is left out."""
    try:
        return Originals(seal.read(plain))
    except DeidError:
        return {}


def original(keyword: str, column: str, sealed: str) -> str:
    """What the index says of an attribute, put right by what `originals` say of it."""
    if not BY_KEYWORD[keyword].parts:
        return sealed
    return nested.packed(_patched(nested.unpacked(column), json.loads(sealed)))


def _elements(piece: Piece, explicit: bool) -> tuple[Key, ...]:
    """None of a piece that holds something else: a length, or whole items."""
    if not piece.original or piece.original.startswith(_ITEM):
        return ()
    try:
        return identifier.read(piece.original, implicit=not explicit)
    except Malformed:
        return ()


def _text(value: bytes, charset: bytes) -> str:
    return decode(value[:LONGEST], charset).replace("\0", "").strip()


# --- within sequences ---------------------------------------------------------------------------------


def _patch(
    pieces: Iterable[Piece], parts: tuple[Part, ...], explicit: bool, charset: bytes
) -> dict[str, Item]:
    found: dict[str, Item] = {}
    for piece in pieces:
        place = _place(found, piece.path[0][1], parts, piece.path[1:])
        if place is not None:
            item, inner = place
            item.update(nested.values(_elements(piece, explicit), inner, charset))
    return found


def _place(
    patch: dict[str, Item], number: int, parts: tuple[Part, ...], path: tuple[tuple[int, int], ...]
) -> tuple[Item, tuple[Part, ...]] | None:
    """The item at the end of this path, and what is kept of such items; None of what is not kept."""
    if number >= MOST_ITEMS:
        return None
    item = patch.setdefault(str(number), {})
    if not path:
        return item, parts
    part = next((one for one in parts if one.tag == path[0][0] and one.parts), None)
    if part is None:
        return None
    inner = item.setdefault(part.keyword, {})
    return _place(inner, path[0][1], part.parts, path[1:]) if isinstance(inner, dict) else None


def _patched(items: Items, patch: Patch) -> Items:
    if isinstance(patch, list):
        return patch
    last = max(map(int, patch), default=-1)
    made: Items = [dict(one) for one in items] + [{} for _ in range(len(items), last + 1)]
    for number, changes in patch.items():
        item = made[int(number)]
        for keyword, change in changes.items():
            before = item.get(keyword)
            inner = before if isinstance(before, list) else []
            item[keyword] = change if isinstance(change, str) else _patched(inner, change)
    return made

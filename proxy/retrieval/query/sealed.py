"""What the attributes of the index were before an image lost its identity, read from the plain bytes of its seal.

A seal holds what its recipe changed or removed, as it was encoded. What is not in it stands in the index as it came; of
a sequence it may hold parts of some items, which are laid over what the index says of the others.
"""

import json
from collections.abc import Iterator, Mapping
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


def originals(plain: bytes) -> Mapping[str, str]:
    """By keyword; of a sequence its patch, see `original`. What cannot be read any more is left out."""
    try:
        opened = seal.read(plain)
    except DeidError:
        return {}
    charset = opened.extras.get(CHARSET, b"")
    said = {BY_TAG[key.tag].keyword: _said(key, charset) for key in _top_level(opened)}
    found = ((BY_TAG[tag].keyword, json.dumps(one)) for tag, one in _patches(opened, charset).items())
    patches = {keyword: patch for keyword, patch in found if len(patch) <= MOST_TEXT}
    return patches | said


def original(keyword: str, column: str, sealed: str) -> str:
    """What the index says of an attribute, put right by what `originals` say of it."""
    if not BY_KEYWORD[keyword].parts:
        return sealed
    return nested.packed(_patched(nested.unpacked(column), json.loads(sealed)))


def _top_level(opened: Opened) -> Iterator[Key]:
    for piece in opened.pieces:
        if not piece.path:
            yield from (key for key in _elements(piece, opened) if key.tag in BY_TAG)


def _elements(piece: Piece, opened: Opened) -> tuple[Key, ...]:
    """None of a piece that holds something else: a length, or whole items."""
    if not piece.original or piece.original.startswith(_ITEM):
        return ()
    try:
        return identifier.read(piece.original, implicit=not opened.explicit)
    except Malformed:
        return ()


def _said(key: Key, charset: bytes) -> str:
    if key.tag in SEQUENCES:
        return nested.packed(nested.read(key, SEQUENCES[key.tag], charset)) or "[]"
    return decode(key.value[:LONGEST], charset).replace("\0", "").strip()


# --- within sequences ---------------------------------------------------------------------------------


def _patches(opened: Opened, charset: bytes) -> dict[int, dict[str, Item]]:
    found: dict[int, dict[str, Item]] = {}
    for piece in opened.pieces:
        if piece.path and piece.path[0][0] in SEQUENCES:
            tag, number = piece.path[0]
            place = _place(found.setdefault(tag, {}), number, SEQUENCES[tag], piece.path[1:])
            if place is not None:
                item, parts = place
                item.update(nested.values(_elements(piece, opened), parts, charset))
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

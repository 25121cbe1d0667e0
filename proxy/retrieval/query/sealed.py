"""What the attributes of the index were before an image lost its identity, read from the plain bytes of its seal.

A seal holds what its recipe changed or removed, as it was encoded. What is not in it stands in the index as it came.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from proxy.deid import seal
from proxy.deid.charsets import decode
from proxy.deid.errors import DeidError
from proxy.deid.seal import CHARSET, Opened
from proxy.network import identifier
from proxy.network.identifier import Key
from proxy.network.messages import Malformed
from proxy.retrieval.query.attributes import BY_TAG

_ITEM: Final = b"\xfe\xff\x00\xe0"
LONGEST: Final = 1_024  # bytes of a value


def originals(plain: bytes) -> Mapping[str, str]:
    """By keyword. What cannot be read any more is left out."""
    try:
        opened = seal.read(plain)
    except DeidError:
        return {}
    charset = opened.extras.get(CHARSET, b"")
    return {BY_TAG[key.tag].keyword: _text(key.value, charset) for key in _top_level(opened)}


def _top_level(opened: Opened) -> Iterator[Key]:
    for piece in opened.pieces:
        if piece.path or not piece.original or piece.original.startswith(_ITEM):
            continue
        try:
            found = identifier.read(piece.original, implicit=not opened.explicit)
        except Malformed:
            continue
        yield from (key for key in found if key.tag in BY_TAG and not key.is_sequence)


def _text(value: bytes, charset: bytes) -> str:
    return decode(value[:LONGEST], charset).replace("\0", "").strip()

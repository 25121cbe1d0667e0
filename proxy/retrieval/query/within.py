"""What a query asks within a sequence (PS3.4 C.2.2.2.6): of which items, and which of their attributes.

No item, or an empty one, asks for all of it. Keys in the one item match item by item: one has to match all of them,
and only items that do are answered, with what was asked for.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from proxy.network import identifier
from proxy.network.identifier import Element, Key
from proxy.network.messages import Malformed
from proxy.retrieval.query.attributes import Attribute
from proxy.retrieval.query.keys import Senseless, matcher_of, values_of
from proxy.retrieval.query.matching import Matcher
from proxy.studies.nested import Items, Part, unpacked

Said = str | Items
ItemElements = tuple[Element, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Within:
    """`asked` parts, with a matcher where one is to match and what is asked within one that is a sequence; all of
    `parts` where nothing is asked."""

    parts: tuple[Part, ...]
    asked: "tuple[tuple[Part, Matcher | None, Within | None], ...] | None" = None

    @property
    def is_universal(self) -> bool:
        return all(
            matcher is None and (inner is None or inner.is_universal)
            for _, matcher, inner in self.asked or ()
        )

    def matches(self, value: str) -> bool:
        """Of a column."""
        return self._is_in(unpacked(value))

    def answered(self, value: str) -> tuple[ItemElements, ...]:
        return tuple(self._answers(unpacked(value)))

    def _is_in(self, items: Items) -> bool:
        return self.is_universal or any(map(self._fits, items))

    def _fits(self, item: dict[str, Said]) -> bool:
        for part, matcher, inner in self.asked or ():
            said = item.get(part.keyword, "")
            if inner is not None and not inner._is_in(_items(said)):
                return False
            if matcher is not None and not matcher.matches(_text(said)):
                return False
        return True

    def _answers(self, items: Items) -> Iterator[ItemElements]:
        for item in items:
            if self._fits(item):
                yield tuple(self._elements(item))

    def _elements(self, item: dict[str, Said]) -> Iterator[Element]:
        asked = self.asked
        if asked is None:
            asked = tuple((part, None, _whole(part)) for part in self.parts if part.keyword in item)
        for part, _, inner in asked:
            said = item.get(part.keyword, "")
            if inner is not None:
                yield Element(part.tag, part.vr, "", tuple(inner._answers(_items(said))))
            else:
                yield Element(part.tag, part.vr, _text(said))


def _whole(part: Part) -> Within | None:
    return Within(part.parts) if part.parts else None


def _items(said: Said) -> Items:
    return said if isinstance(said, list) else []


def _text(said: Said) -> str:
    return said if isinstance(said, str) else ""


def read_within(attribute: Attribute | Part, key: Key, charset: bytes) -> tuple[Within, bool]:
    """And whether it asks for more than is kept. Raises Senseless."""
    try:
        items = identifier.items(key)
    except Malformed:
        raise Senseless(f"{attribute.keyword} is a sequence") from None
    if len(items) > 1:
        raise Senseless(f"{attribute.keyword} has more than one item")
    keys = items[0] if items else ()
    if not keys:
        return Within(attribute.parts), False
    by_tag = {part.tag: part for part in attribute.parts}
    known = [(by_tag[one.tag], one) for one in keys if one.tag in by_tag]
    made = [_asked(part, one, charset) for part, one in known]
    less = len(known) < len(keys) or any(more for _, more in made)
    return Within(attribute.parts, tuple(asked for asked, _ in made)), less


def _asked(part: Part, key: Key, charset: bytes) -> tuple[tuple[Part, Matcher | None, Within | None], bool]:
    if part.parts:
        inner, less = read_within(part, key, charset)
        return (part, None, inner), less
    values = values_of(part, key, charset)
    return (part, matcher_of(part, values) if values else None, None), False

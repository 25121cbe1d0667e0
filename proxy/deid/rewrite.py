"""One object's header (and trailer) rewritten by a compiled recipe: one visit, and a hunting one where needed.

The first visit applies the rules. If a quick look says that something of the person may have stayed, or that a
kept text looks like somebody's, the buffer is visited again from the start with every text in sight, and what
still stands after that is a reason to hold the object.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from proxy.deid import marks
from proxy.deid.content import removed_values
from proxy.deid.context import Context, Hold, Resolved
from proxy.deid.custom import Function
from proxy.deid.hunting import NONE, TOO_MANY, UNHUNTED, own_values, residual
from proxy.deid.needles import Needles, squeeze
from proxy.deid.plan import MARKS, Plan
from proxy.deid.recipe import Recipe
from proxy.deid.splice import Splice, make_element, position
from proxy.deid.stream import Scan
from proxy.deid.tables import types_of
from proxy.deid.text import cut_value, has_pattern

if TYPE_CHECKING:
    from proxy.deid.stream import Token


class Compiled:
    """A recipe, ready for any number of objects and threads."""

    def __init__(self, recipe: Recipe, functions: Mapping[int, Function] | None = None) -> None:
        self.recipe = recipe
        self.plan = Plan(recipe, functions=functions)
        self.hunting_plan = Plan(recipe, hunting=True, functions=functions)
        self.options = tuple(sorted(recipe.options))
        self.codes = marks.codes_of(recipe, weaker=bool(functions))
        self.is_public = self.plan.drops_private
        self._resolved: dict[str, Resolved] = {}
        self.marks = {explicit: marks.elements(recipe, self.codes, explicit) for explicit in (True, False)}

    def resolved(self, sop_class: str) -> Resolved:
        """Actions that are decided already for images of this SOP Class."""
        key = sop_class if types_of(sop_class) else ""
        return self._resolved.setdefault(key, {})


class Rewritten(NamedTuple):
    clean: bytes
    splice: Splice
    holds: tuple[Hold, ...]


class Rewriter:
    """For one object."""

    def __init__(
        self, compiled: Compiled, context: Context, header: bytes, standing: Mapping[int, "Token"]
    ) -> None:
        self._compiled = compiled
        self.context = context
        self._header = header
        self._standing = standing  # tokens of the header's top level whose original values matter
        self._needles = NONE

    def look_for(self, scan: Scan) -> tuple[Hold, ...]:
        """Learn the person's own values; a hold if there are too many of them."""
        recipe = self._compiled.recipe
        if recipe.hunting:
            more: Iterable[tuple[str, bytes]] = ()
            if "clean-structured-content" in recipe.options:
                more = removed_values(scan.buf, scan.tokens, recipe.options)
            self._needles = own_values(self._header, scan.keen, self.context.charset, more)
        return (UNHUNTED,) if self._needles is TOO_MANY else ()

    def header(self, scan: Scan) -> Rewritten:
        return self._rewrite(self._header, scan, True)

    def trailer(self, original: bytes, scan: Scan) -> Rewritten:
        return self._rewrite(original, scan, False)

    def _rewrite(self, original: bytes, scan: Scan, first: bool) -> Rewritten:
        own, context = self._needles, self.context
        splice, clean = self._visit(original, scan, first)
        if not self._compiled.recipe.hunting or not clean:
            return Rewritten(clean, splice, ())
        if not self._may_hold(own, clean) and not has_pattern(splice.texts, context.charset):
            return Rewritten(clean, splice, ())
        slow = Scan(self._compiled.hunting_plan, scan.explicit)
        slow.run(original)
        context.needles = own
        splice, clean = self._visit(original, slow, first)
        context.needles = None
        return Rewritten(clean, splice, residual(clean, scan.explicit, own, context.charset))

    def _may_hold(self, own: Needles, clean: bytes) -> bool:
        if not own.glance(clean):
            return False
        return own.stand_in(clean) if self._compiled.is_public else own.hits(squeeze(clean))

    def _visit(self, original: bytes, scan: Scan, first: bool) -> tuple[Splice, bytes]:
        if first:
            self.context.values.clear()
        splice = Splice(scan, self.context)
        index = 0
        for tag, element in self._inserts(scan.explicit) if first else ():
            at = position(scan, tag)
            stop = bisect_left(scan.tokens, at, key=_start)
            splice.visit(index, stop)
            splice.insert(at, element)
            splice.log.append((tag, "insert"))
            index = stop
        splice.visit(index, len(scan.tokens))
        return splice, splice.finish()

    def _inserts(self, explicit: bool) -> list[tuple[int, bytes]]:
        """Elements that a clean image has though the original may not, in ascending order."""
        recipe = self._compiled.recipe
        overwritten = self._overwritten(explicit)
        if not recipe.marks:
            return overwritten
        how, dates = self._compiled.marks[explicit]
        if self.context.overwritten or not self._standing.keys().isdisjoint(MARKS):
            how, dates = marks.elements(recipe, self.codes, explicit, self._stands)
        mine = [*self._identity(explicit), (0x00120062, how), (0x00280303, dates)]
        return sorted([*mine, *overwritten]) if overwritten else mine

    @property
    def codes(self) -> tuple[str, ...]:
        """CID 7050 codes claimed; that of clean pixels only where pixels are cleaned."""
        return marks.with_pixels(self._compiled.codes) if self.context.overwritten else self._compiled.codes

    def _overwritten(self, explicit: bool) -> list[tuple[int, bytes]]:
        """Those that the original does not have; the others are replaced where they stand."""
        return [
            (tag, make_element(tag, vr, value, explicit))
            for tag, (vr, value) in sorted(self.context.overwritten.items())
            if value is not None and tag not in self._standing
        ]

    def _identity(self, explicit: bool) -> list[tuple[int, bytes]]:
        """Patient's Name and ID (Type 2) where the original has none."""
        missing = [
            (tag, vr) for tag, vr in ((0x00100010, "PN"), (0x00100020, "LO")) if tag not in self._standing
        ]
        value = self.context.subject.pseudonym.encode("ascii")
        for tag, _ in missing:
            self.context.note(tag, value)
        return [(tag, make_element(tag, vr, value, explicit)) for tag, vr in missing]

    def _stands(self, tag: int) -> bytes:
        """What the original says in an attribute that we append to, without the person."""
        token = self._standing.get(tag)
        if token is None:
            return b""
        value = self._header[token[2] : token[3]]
        return value if token[4] else cut_value(value, self.context.charset, self._needles, True)


def _start(token: "Token") -> int:
    return token[1]

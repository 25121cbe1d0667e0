"""Private elements: matched on creator, group and low byte (PS3.5 7.8), never on the number of the block
(only a rule that names the whole number says so: it means objects of which it is known).

A creator belongs to the item it stands in. An element whose creator nobody knows, or that has none, goes.
What is kept is still treated by its VR: UIDs are mapped, dates follow the recipe, text is hunted, sequences walked.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from proxy.deid import actions
from proxy.deid.recipe import Line, Recipe
from proxy.deid.rules import Action, drop
from proxy.deid.tables import safe_private

if TYPE_CHECKING:
    from proxy.deid.splice import Splice
    from proxy.deid.stream import Token


def private_action(recipe: Recipe) -> Action:
    """What a recipe does with private elements, as one function."""
    lines = tuple(line for line in recipe.lines if line.target.creator)
    numbered = tuple(line.target.mask[:6] for line in recipe.lines if _by_number(line))
    safe = safe_private() if "safe-private" in recipe.options else {}
    if not (lines or safe or numbered) and recipe.private == "remove":
        return drop
    return _Private(recipe, lines, safe, numbered)


def _by_number(line: Line) -> bool:
    """A rule that means a private attribute by the number it has in these objects (W18)."""
    target = line.target
    return not (target.creator or target.path or line.action == "delete") and target.mask[3] in "13579BDF"


class _Private:
    def __init__(
        self,
        recipe: Recipe,
        lines: tuple[Line, ...],
        safe: Mapping[tuple[str, int, int], str],
        numbered: tuple[str, ...],
    ) -> None:
        self._recipe = recipe
        self._lines = lines
        self._safe = safe
        self._numbered = numbered  # groups and blocks, six digits, whose creators stay
        self._creators = {line.target.creator for line in lines} | {creator for creator, _, _ in safe}

    def __call__(self, splice: "Splice", token: "Token") -> None:
        tag = token[0].tag
        low = tag & 0xFFFF
        if 0x10 <= low <= 0xFF:
            self._creator(splice, token)
            return
        creator = splice.creators.get((tag >> 16, low >> 8), "") if low >= 0x1000 else ""
        action = self._action(creator, token) if creator else None
        if action:
            action(splice, token)
        elif self._recipe.private == "remove":
            splice.drop(token)
        else:
            self._by_vr(token[0].written, token)(splice, token)

    def _creator(self, splice: "Splice", token: "Token") -> None:
        name = splice.value(token).strip(b" \0").decode("latin-1")
        tag = token[0].tag
        splice.creators[tag >> 16, tag & 0xFF] = name
        if name not in self._creators and self._recipe.private == "remove" and not self._is_numbered(tag):
            splice.drop(token)

    def _is_numbered(self, tag: int) -> bool:
        block = f"{tag >> 16:04X}{tag & 0xFF:02X}"
        return any(
            all(want in ("x", got) for want, got in zip(mask, block, strict=True)) for mask in self._numbered
        )

    def _action(self, creator: str, token: "Token") -> Action | None:
        rule = token[0]
        tag = rule.tag
        for line in self._lines:
            if line.target.creator == creator and line.target.matches(tag & 0xFFFF00FF):
                _, nested = actions.make(line.action, rule.written, line.arguments, "delete")
                return nested
        vr = self._safe.get((creator, tag >> 16, tag & 0xFF))
        return self._by_vr(vr, token) if vr else None

    def _by_vr(self, vr: str, token: "Token") -> Action:
        """One that stays, by what it is (of a safe one that says UN, by what the table says)."""
        vr = token[0].written if token[0].written != "UN" else vr[:2]
        if vr == "SQ" and not token[4]:
            return drop
        if vr in ("DA", "DT"):
            return self._dates()
        return drop if vr == "PN" else actions.by_vr(vr)

    def _dates(self) -> Action:
        if "full-dates" in self._recipe.options:
            return actions.keep
        return actions.shift(drop) if "modified-dates" in self._recipe.options else drop

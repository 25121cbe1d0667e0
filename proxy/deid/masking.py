"""A pass that masks: decides at the header, collects the pixels, and gives them out only when they are clean.

If masking fails at the end, the clean object has no pixel data at all and is held: what the seal holds is then the
only copy, and restoring it works as ever.
"""

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from proxy.deid.bulk import OPEN
from proxy.deid.context import Hold
from proxy.deid.errors import TooMuchToMask
from proxy.deid.masks import MaskPlan, mask, plan_for, shipped
from proxy.deid.masks.plan import CODE
from proxy.deid.masks.reading import read_again
from proxy.deid.rules import PIXEL_DATA, tag_number
from proxy.deid.splice import make_element

if TYPE_CHECKING:
    from proxy.deid.facts import Facts
    from proxy.deid.recipe import Recipe
    from proxy.deid.stream import Scan

_NO_PIXELS: Final = Hold(CODE, "It may show a name, and it has no pixel data that could be masked.")
_DISORDER: Final = Hold(CODE, "It may show a name, and its attributes stand twice or out of order.")
_LENGTH: Final = Hold(CODE, "It may show a name, and its pixels are more or fewer than its header says.")


class Masking:
    """Of one pass. `plan` is set once it is decided that pixels become black."""

    __slots__ = ("element", "head", "limit", "plan", "reads", "seconds", "written")

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds  # that reading masked pixels again may take
        self.reads = False
        self.plan: MaskPlan | None = None
        self.head = b""  # of the original pixel data element: everything before its value
        self.element = b""  # the original pixel data element as a whole
        self.written = b""

    def decide(
        self, holds: tuple[Hold, ...], facts: "Facts", scan: "Scan", syntax: str, recipe: "Recipe"
    ) -> tuple[Hold, ...]:
        """The holds that stay: the gate's own goes where a plan takes its place."""
        if recipe.gate("burned-in") != "mask" or not any(hold.code == CODE for hold in holds):
            return holds
        others = tuple(hold for hold in holds if hold.code != CODE)
        said = self._plan(facts, scan, syntax, recipe)
        if isinstance(said, Hold):
            return (said, *others)
        self.plan, self.reads = said, recipe.ocr
        return others

    def _plan(self, facts: "Facts", scan: "Scan", syntax: str, recipe: "Recipe") -> MaskPlan | Hold:
        if len(self.head) < 8 or tag_number(self.head[:4]) != PIXEL_DATA:
            return _NO_PIXELS
        tags = [tag_number(scan.buf[at : at + 4]) for at in scan.starts]
        if any(one >= other for one, other in pairwise(tags)):
            return _DISORDER

        def look(tag: int) -> bytes | None:
            token = scan.standing.get(tag)
            return None if token is None else scan.buf[token[2] : token[3]]

        plan = plan_for(facts, look, syntax, (*recipe.masks, *shipped()), self.limit)
        if isinstance(plan, MaskPlan) and not self._is_encapsulated:
            size = plan.shape.frame_size * plan.shape.frames
            if int.from_bytes(self.head[-4:], "little") != size + size % 2:
                return _LENGTH
        return plan

    @property
    def written_head(self) -> int:
        """Bytes of `written` before its value."""
        if self.plan is None or not self.written:
            return 0
        return 12 if self.plan.transfer_syntax != self.plan.original_syntax else len(self.head)

    @property
    def _is_encapsulated(self) -> bool:
        return int.from_bytes(self.head[-4:], "little") == OPEN

    def bound(self, size: int) -> None:
        """Raises TooMuchToMask when more pixel data came than may be kept."""
        if self.plan and size > self.limit:
            raise TooMuchToMask("the pixel data are larger than the limit for masking")

    def after(self, tail: "Scan") -> tuple[Hold, ...]:
        """What stands behind the pixels may not say again how they lie."""
        return (_DISORDER,) if self.plan and tail.has_up_to(PIXEL_DATA) else ()

    def finish(self, element: bytes) -> Hold | None:
        """Blacken the whole original element; `written` is what stands in its place."""
        plan = self.plan
        if plan is None:
            return None
        self.element = element
        done = mask(plan, element[len(self.head) :], self._is_encapsulated)
        if isinstance(done, Hold):
            return done
        if self.reads and (hold := read_again(plan, done, self.seconds)):
            return hold
        changed = plan.transfer_syntax != plan.original_syntax
        self.written = make_element(PIXEL_DATA, "OB", done, True) if changed else self.head + done
        return None

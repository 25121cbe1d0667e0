"""Whether a rule can do what it says to the attribute it names: asked at load, never of an image.

What may be wrong: an action that its VR cannot take, a replacement that its VR cannot hold, an allowed value that can
never stand there, a regular expression that is wrong, too long, or may take forever.
"""

import re
from collections.abc import Iterator, Mapping
from re import _constants, _parser  # the only ones who know what a pattern repeats
from typing import Any, Final

from proxy.deid.errors import RecipeError

_WORDS: Final = frozenset(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"))
_NUMBERS: Final = frozenset(("AS", "DA", "DS", "DT", "IS", "TM"))
_FITTING: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "regexp": (_WORDS | _NUMBERS | {"UI"}, "text"),
    "allow": (_WORDS | _NUMBERS, "text"),
    "clean": (_WORDS | {"SQ"}, "text or a sequence"),
    "replace_with_value": (_WORDS | _NUMBERS | {"UI"}, "text"),
    "shift_date": (frozenset(("DA", "DT")), "a date (times never move)"),
    "year_only": (frozenset(("DA", "DT")), "a date"),
    "replace_UID": (frozenset(("UI", "SQ")), "a UID or a sequence"),
    "pseudonym": (frozenset(("LO", "LT", "PN", "ST", "UC", "UT")), "text of 21 characters"),
    "age_cap": (frozenset(("AS",)), "an age"),
}
# PS3.5 6.2: the most characters of one value
_LONGEST: Final[Mapping[str, int]] = {
    "AE": 16, "AS": 4, "CS": 16, "DA": 8, "DS": 16, "DT": 26, "IS": 12, "LO": 64, "LT": 10240, "PN": 194,
    "SH": 16, "ST": 1024, "TM": 14, "UI": 64,
}  # fmt: skip
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9_ ]*"),
    "DA": re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"),
    "DS": re.compile(r" *[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)? *"),
    "DT": re.compile(
        r"\d{4}((0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])"
        r"(([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?"
    ),
    "IS": re.compile(r" *[+-]?\d+ *"),
    "TM": re.compile(r"([01]\d|2[0-3])([0-5]\d(([0-5]\d|60)(\.\d{1,6})?)?)?"),
    "UI": re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+"),
    "UR": re.compile(r"\S*"),
}
_REPEATS: Final = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)
_WHOLE: Final = frozenset(("LT", "ST", "UR", "UT"))  # here a backslash is a character
_PATTERN: Final = 500
_MAYBES: Final = 4  # so many `?` are counted as one open repetition: each may double the work
# By the number of open repetitions, the longest value that is searched: each of them multiplies the work by the length
_SEARCHED: Final = (1 << 20, 16384, 1024, 256)


def refuse_misfit(vr: str, action: str, arguments: tuple[str, ...]) -> None:
    """`vr` is '' where the dictionary does not know the attribute, or the rule means many."""
    vrs, what = _FITTING.get(action, (frozenset(), ""))
    if what and vr and vr not in vrs and vr != "UN":
        raise RecipeError(f"{action} is for {what}, and this is {vr}")
    if action in ("replace_with_value", "allow"):
        for argument in arguments:
            _refuse_value(vr, argument, empty=action == "replace_with_value")
    if action == "allow" and len(set(arguments)) < len(arguments):
        raise RecipeError("a value is allowed twice")
    if action == "regexp":
        _refuse_pattern(*arguments)


def _refuse_value(vr: str, value: str, empty: bool) -> None:
    if not value.isascii():
        raise RecipeError("a value is ASCII here: only that means the same in every image's character set")
    if not value.strip() and not empty:
        raise RecipeError("an allowed value is empty")
    printable = value.translate(dict.fromkeys(map(ord, "\t\n\f\r"))) if vr in ("LT", "ST", "UT") else value
    if not printable.isprintable():
        raise RecipeError("a value holds a control character")
    for part in [value] if vr in _WHOLE else value.split("\\"):
        _refuse_part(vr, part)


def _refuse_part(vr: str, part: str) -> None:
    most = _LONGEST.get(vr)
    if most and len(part) > most:
        raise RecipeError(f"a value of {vr} has at most {most} characters")
    shape = _SHAPES.get(vr)
    if part.strip() and shape and not shape.fullmatch(part):
        raise RecipeError(f"{part!r} is no value of {vr}")


def _refuse_pattern(pattern: str, new: str) -> None:
    if len(pattern) > _PATTERN or len(new) > _PATTERN:
        raise RecipeError(f"a regular expression has at most {_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
        compiled.sub(new, "")
        tree = _parser.parse(pattern)
    except re.error as trouble:
        raise RecipeError(f"the regular expression is wrong: {trouble.msg}") from None
    except (IndexError, OverflowError, RecursionError) as trouble:
        raise RecipeError(f"the regular expression is wrong: {trouble}") from None
    if not new.isascii() or not new.isprintable():
        raise RecipeError("what a regular expression puts in is printable ASCII")
    if _loops(tree) >= len(_SEARCHED):
        raise RecipeError(f"more than {len(_SEARCHED) - 1} open repetitions can take forever")


def longest_searched(pattern: str) -> int:
    """A longer value is emptied instead of searched (actions.regexp), so that no image can take forever."""
    return _SEARCHED[_loops(_parser.parse(pattern))]


def _loops(tree: Any) -> int:
    """How many open repetitions. Raises RecipeError where a choice stands in a repetition."""
    ends = list(_repetitions(tree, False))
    maybes = sum(end == 1 for end in ends)
    return len(ends) - maybes + -(-maybes // _MAYBES)


def _repetitions(node: Any, repeated: bool) -> Iterator[int]:
    """The end of each repetition that may stop early. Inside another there may be none, and no choice either: then
    the ways to match one text multiply."""
    for operator, argument in node:
        again = operator in _REPEATS and argument[1] > 1
        free = operator is _constants.BRANCH or (operator in _REPEATS and argument[0] != argument[1])
        if free and repeated:
            raise RecipeError(
                "a repetition or a choice inside a repetition can take forever; write it plainly"
            )
        if free and operator in _REPEATS:
            yield int(argument[1])
        for below in _below(argument):
            yield from _repetitions(below, repeated or again)


def _below(argument: Any) -> Iterator[Any]:
    """The patterns inside an operator's argument, however it packs them."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for part in argument:
            yield from _below(part)

"""What is written into every clean image: that, how, and by which options it was de-identified (DESIGN 5)."""

import re
from collections.abc import Callable
from typing import Final

from proxy.deid.recipe import Recipe
from proxy.deid.splice import item, make_element
from proxy.deid.tables import method_codes

_CODES: Final = {
    "clean-graphics": "113103", "clean-structured-content": "113104", "clean-descriptors": "113105",
    "full-dates": "113106", "modified-dates": "113107", "patient-characteristics": "113108", "device": "113109",
    "uids": "113110", "safe-private": "113111", "institution": "113112",
}  # fmt: skip
_WEAKER: Final = frozenset(("keep", "regexp", "allow", "year_only", "clean", "shift_date"))
_CODE: Final = re.compile(rb"1131\d\d")
METHOD: Final = "Postern"


def _nothing(tag: int) -> bytes:
    return b""


def codes_of(recipe: Recipe, weaker: bool = False) -> tuple[str, ...]:
    """113100 only where no rule is weaker than the table; 113102 is never claimed."""
    if not recipe.edition:
        return ()
    weaker = (
        weaker
        or recipe.unknown == "keep"
        or recipe.private == "keep"
        or any(line.action in _WEAKER for line in recipe.lines)
    )
    profile = () if weaker else ("113100",)
    return (*profile, *sorted(_CODES[option] for option in recipe.options if option in _CODES))


def with_pixels(codes: tuple[str, ...]) -> tuple[str, ...]:
    """Clean Pixel Data Option (PS3.15 E.3.1), which follows from what was done and from no option."""
    return tuple(sorted((*codes, "113101")))


def temporal(recipe: Recipe) -> bytes:
    if "full-dates" in recipe.options:
        return b"UNMODIFIED"
    return b"MODIFIED" if "modified-dates" in recipe.options else b"REMOVED"


def method(recipe: Recipe, standing: bytes) -> bytes:
    """Appended to what stands there, once."""
    mine = f"{METHOD} {recipe.name} {recipe.edition}".strip().encode("utf-8")[:64]
    values = [bare for value in standing.split(b"\\") if (bare := value.strip(b" \0"))]
    return b"\\".join(values if mine in values else [*values, mine])


def with_earlier(codes: tuple[str, ...], standing: bytes) -> tuple[str, ...]:
    """The codes of CID 7050 that an earlier de-identification left, then ours; anything else there goes."""
    earlier = [code.decode("ascii") for code in _CODE.findall(standing)]
    return tuple(dict.fromkeys((*(code for code in earlier if code in method_codes()), *codes)))


def elements(
    recipe: Recipe, codes: tuple[str, ...], explicit: bool, standing: Callable[[int], bytes] = _nothing
) -> tuple[bytes, bytes]:
    """(0012,0062) to (0012,0064), and (0028,0303), encoded; `standing` gives what the original says there."""
    how = (
        make_element(0x00120062, "CS", b"YES", explicit)
        + make_element(0x00120063, "LO", method(recipe, standing(0x00120063)), explicit)
        + code_sequence(with_earlier(codes, standing(0x00120064)), explicit)
    )
    return how, make_element(0x00280303, "CS", temporal(recipe), explicit)


def code_sequence(codes: tuple[str, ...], explicit: bool) -> bytes:
    """(0012,0064) with one item per code, all of defined length."""
    meanings = method_codes()
    items = b"".join(_item(code, meanings[code], explicit) for code in codes)
    return make_element(0x00120064, "SQ", items, explicit)


def _item(code: str, meaning: str, explicit: bool) -> bytes:
    return item(
        make_element(0x00080100, "SH", code.encode("ascii"), explicit)
        + make_element(0x00080102, "SH", b"DCM", explicit)
        + make_element(0x00080104, "LO", meaning.encode("ascii"), explicit)
    )

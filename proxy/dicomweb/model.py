"""The DICOM JSON Model (PS3.18 F.2): text values of the index, or of an encoded data set, as JSON wants them."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from proxy.network.identifier import Element

Attribute = dict[str, Any]
Dataset = dict[str, Attribute]
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_compact: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def key(tag: int) -> str:
    return f"{tag:08X}"


def attribute(vr: str, values: Sequence[Any]) -> Attribute:
    """An empty value between others is null; none at all is no `Value` (PS3.18 F.2.5)."""
    made = [None if one is None or one == "" else one for one in values]
    if any(one is not None for one in made):
        return {"vr": vr, "Value": made}
    return {"vr": vr}


def texts(vr: str, text: str) -> Attribute:
    """Of a value as text, several of them with a backslash between."""
    convert = _BY_VR.get(vr)
    if convert is None:
        return attribute(vr, [text])
    return attribute(vr, [convert(one) for one in text.split("\\")])


def _plain(text: str) -> str:
    return text.strip(" \0")


def _name(text: str) -> dict[str, str] | None:
    groups = [one.rstrip(" \0") for one in text.split("=")]
    return {name: group for name, group in zip(_GROUPS, groups, strict=False) if group} or None


def _whole(text: str) -> int | str:
    """What is no number although it should be is said as it stands (PS3.18 F.2.2 allows text for IS and DS)."""
    bare = text.strip(" \0")
    try:
        return int(bare) if len(bare) <= 20 and bare.isascii() and "_" not in bare else bare
    except ValueError:
        return bare


def _decimal(text: str) -> float | int | str:
    bare = text.strip(" \0")
    try:
        number = float(bare) if len(bare) <= 64 and bare.isascii() and "_" not in bare else math.nan
    except ValueError:
        return bare
    if not math.isfinite(number):
        return bare
    return int(number) if number.is_integer() and "." not in bare and abs(number) < 1e15 else number


_BY_VR: Final[Mapping[str, Callable[[str], Any]]] = {
    "PN": _name,
    "IS": _whole,
    "US": _whole,
    "DS": _decimal,
    **dict.fromkeys(("AE", "AS", "CS", "DA", "DT", "LO", "SH", "TM", "UC", "UI"), _plain),
}
"""Of those that may have several values; in others a backslash is one."""


# --- answers of a query -----------------------------------------------------------------------------


def of_elements(elements: Iterable[Element]) -> Dataset:
    """In the order of the tags."""
    said = sorted(elements, key=lambda one: one.tag)
    return {key(one.tag): _of_element(one) for one in said}


def _of_element(element: Element) -> Attribute:
    if element.vr == "SQ":
        items = [of_elements(one) for one in element.items]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    return texts(element.vr, element.value)


# --- as bytes -------------------------------------------------------------------------------------


def encoded(dataset: Mapping[str, Any]) -> bytes:
    return _compact(dataset).encode("utf-8", "replace")


def array(found: Iterable[Mapping[str, Any]], piece: int = 1 << 16) -> Iterator[bytes]:
    """A JSON array, in pieces of about this many bytes: never all of it in memory."""
    gathered, size, between = [b"["], 1, b""
    for one in found:
        data = between + encoded(one)
        between = b","
        gathered.append(data)
        size += len(data)
        if size >= piece:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join((*gathered, b"]"))

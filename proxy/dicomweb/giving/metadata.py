"""A data set without its bulk, in the DICOM JSON Model (PS3.18 10.4.1.1.2, F.2): long values become addresses."""

import base64
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct
from typing import Any, Final

from proxy.deid.charsets import decode
from proxy.dicomweb import model
from proxy.dicomweb.giving.encoded import PIXELS, Element

INLINE: Final = 1_024
"""Bytes of a binary value that is said where it stands."""
CHARSET: Final = 0x00080005
_TEXT: Final = frozenset(("LO", "LT", "PN", "SH", "ST", "UC", "UT"))
_PLAIN_TEXT: Final = frozenset(("AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"))
_WHOLE: Final[Mapping[str, tuple[str, int]]] = {
    "US": ("H", 2), "SS": ("h", 2), "UL": ("I", 4), "SL": ("i", 4), "UV": ("Q", 8), "SV": ("q", 8),
}  # fmt: skip
_FLOATS: Final[Mapping[str, tuple[str, int]]] = {"FL": ("f", 4), "FD": ("d", 8)}
Where = Callable[[Sequence[int]], str]  # from the path of an element to its address


def dataset(data: memoryview, elements: Iterable[Element], where: Where) -> model.Dataset:
    found = list(elements)
    return _dataset(data, found, _charset(data, found, b""), (), where)


def _charset(data: memoryview, elements: Iterable[Element], before: bytes) -> bytes:
    said = next((one for one in elements if one.tag == CHARSET), None)
    return before if said is None else bytes(data[said.at : said.end]).strip(b" \0")


def _dataset(
    data: memoryview, elements: Iterable[Element], charset: bytes, path: tuple[int, ...], where: Where
) -> model.Dataset:
    made: model.Dataset = {}
    for one in sorted(elements, key=lambda each: each.tag):
        here = (*path, one.tag)
        if one.tag == CHARSET:
            made[model.key(one.tag)] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # this text is (PS3.18 F.2.2)
        elif one.items is not None:
            made[model.key(one.tag)] = _sequence(data, one, charset, here, where)
        else:
            made[model.key(one.tag)] = _attribute(data, one, charset, here, where)
    return made


def _sequence(
    data: memoryview, element: Element, charset: bytes, path: tuple[int, ...], where: Where
) -> model.Attribute:
    items = [
        _dataset(data, item, _charset(data, item, charset), (*path, number), where)
        for number, item in enumerate(element.items or ())
    ]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def _attribute(
    data: memoryview, element: Element, charset: bytes, path: tuple[int, ...], where: Where
) -> model.Attribute:
    vr = element.vr
    if element.tag in PIXELS and element.end > element.at:
        return {"vr": vr, "BulkDataURI": where(path)}
    if vr in _TEXT:
        return model.texts(vr, _trimmed(decode(bytes(data[element.at : element.end]), charset), vr))
    if vr in _PLAIN_TEXT:
        return model.texts(vr, _trimmed(bytes(data[element.at : element.end]).decode("latin-1"), vr))
    if vr == "AT":
        return model.attribute(vr, [model.key(one << 16 | two) for one, two in _pairs(data, element)])
    if vr in _WHOLE or vr in _FLOATS:
        return model.attribute(vr, _numbers(data, element))
    return _binary(data, element, path, where)


def _trimmed(text: str, vr: str) -> str:
    """In texts of paragraphs a blank at the beginning means something (PS3.5 6.2)."""
    return text.rstrip(" \0") if vr in ("LT", "ST", "UT", "PN", "UR") else text.strip(" \0")


def _numbers(data: memoryview, element: Element) -> list[Any]:
    code, size = (_WHOLE | _FLOATS)[element.vr]  # type: ignore[operator]
    count = (element.end - element.at) // size
    values = Struct(f"<{count}{code}").unpack_from(data, element.at)
    return [_finite(one) for one in values] if element.vr in _FLOATS else list(values)


def _finite(value: float) -> float | str:
    """JSON has no numbers for these; their names are what other servers say."""
    return value if math.isfinite(value) else {math.inf: "Infinity", -math.inf: "-Infinity"}.get(value, "NaN")


def _pairs(data: memoryview, element: Element) -> list[tuple[int, int]]:
    count = (element.end - element.at) // 4
    values = Struct(f"<{2 * count}H").unpack_from(data, element.at)
    return list(zip(values[::2], values[1::2], strict=True))


def _binary(data: memoryview, element: Element, path: tuple[int, ...], where: Where) -> model.Attribute:
    vr = element.vr if element.vr[:1] in "OU" and len(element.vr) == 2 else "UN"
    size = element.end - element.at
    if not size:
        return {"vr": vr}
    if size > INLINE or element.is_open:
        return {"vr": vr, "BulkDataURI": where(path)}
    return {"vr": vr, "InlineBinary": base64.b64encode(data[element.at : element.end]).decode("ascii")}

"""What a query should find, said a second time and naively: over plain dicts, with regular expressions and dates.

A sequence is JSON, a list of items, and the key that asks for it is one item: a dict.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Any, Final

Image = Mapping[str, str]
UNIQUE: Final = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
DATES = ("StudyDate", "SeriesDate", "PatientBirthDate", "PerformedProcedureStepStartDate")
TIMES = ("StudyTime", "SeriesTime", "PerformedProcedureStepStartTime")
NUMBERS = ("SeriesNumber", "InstanceNumber", "Rows", "Columns", "BitsAllocated", "NumberOfFrames")


def expected(images: Iterable[Image], level: str, keys: Mapping[str, Any]) -> set[str]:
    """The unique keys of what matches all keys."""
    every = list(images)
    return {image[UNIQUE[level]] for image in every if all(_fits(image, *key, every) for key in keys.items())}


def _fits(image: Image, keyword: str, wanted: Any, every: list[Image]) -> bool:
    if isinstance(wanted, dict):
        return _asks_nothing(wanted) or bool(fitting(json.loads(image[keyword] or "[]"), wanted))
    if not wanted.strip("*"):
        return True
    if keyword == "ModalitiesInStudy":
        mine = [one["Modality"] for one in every if one["StudyInstanceUID"] == image["StudyInstanceUID"]]
        return any(_like(part, value) for part in wanted.split("\\") for value in mine)
    if keyword == "SOPClassesInStudy":
        mine = [one["SOPClassUID"] for one in every if one["StudyInstanceUID"] == image["StudyInstanceUID"]]
        return any(part in mine for part in wanted.split("\\"))
    value = image[keyword]
    return any(_value_fits(keyword, part, value) for part in wanted.split("\\"))


def fitting(items: list[dict[str, Any]], wanted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Those items of a sequence in which all keys match."""
    return [item for item in items if all(_part_fits(item, *key) for key in wanted.items())]


def _part_fits(item: Mapping[str, Any], keyword: str, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return _asks_nothing(wanted) or bool(fitting(item.get(keyword, []), wanted))
    return not wanted.strip("*") or any(
        _value_fits(keyword, one, item.get(keyword, "")) for one in wanted.split("\\")
    )


def _asks_nothing(wanted: Mapping[str, Any]) -> bool:
    return all(_asks_nothing(one) if isinstance(one, dict) else not one.strip("*") for one in wanted.values())


def _value_fits(keyword: str, wanted: str, value: str) -> bool:
    if keyword in DATES:
        return _in_range(wanted, value, _date, _date)
    if keyword in TIMES:
        return _in_range(wanted, value, _first, _last)
    if keyword in NUMBERS:
        return value != "" and int(wanted) == int(value)
    if keyword.endswith("UID"):
        return wanted == value
    if keyword in ("PatientName", "ReferringPhysicianName"):
        return _like(wanted.rstrip("^").lower(), value.lower())
    return _like(wanted, value)


def _like(pattern: str, value: str) -> bool:
    said = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(said, value, re.DOTALL) is not None


def _in_range(wanted: str, value: str, first: "object", last: "object") -> bool:
    if not value:
        return False
    begin, dash, end = wanted.partition("-")
    here = first(value)  # type: ignore[operator]
    if not dash:
        return bool(here == first(begin))  # type: ignore[operator]
    return (not begin or first(begin) <= here) and (not end or here <= last(end))  # type: ignore[operator]


def _date(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def _first(text: str) -> time:
    clock, _, fraction = text.partition(".")
    return time(int(clock[:2]), int(clock[2:4] or 0), int(clock[4:6] or 0), int(fraction.ljust(6, "0") or 0))


def _last(text: str) -> time:
    clock, _, fraction = text.partition(".")
    return time(
        int(clock[:2]), int(clock[2:4] or 59), int(clock[4:6] or 59), int(fraction.ljust(6, "9") or 999999)
    )

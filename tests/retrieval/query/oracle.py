"""What a query should find, said a second time and naively: over plain dicts, with regular expressions and dates."""

import re
from collections.abc import Iterable, Mapping
from datetime import date, time
from typing import Final

Image = Mapping[str, str]
UNIQUE: Final = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
DATES, TIMES = ("StudyDate", "SeriesDate", "PatientBirthDate"), ("StudyTime", "SeriesTime")


def expected(images: Iterable[Image], level: str, keys: Mapping[str, str]) -> set[str]:
    """The unique keys of what matches all keys."""
    every = list(images)
    return {image[UNIQUE[level]] for image in every if all(_fits(image, *key, every) for key in keys.items())}


def _fits(image: Image, keyword: str, wanted: str, every: list[Image]) -> bool:
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


def _value_fits(keyword: str, wanted: str, value: str) -> bool:
    if keyword in DATES:
        return _in_range(wanted, value, _date, _date)
    if keyword in TIMES:
        return _in_range(wanted, value, _first, _last)
    if keyword in ("SeriesNumber", "InstanceNumber"):
        return value != "" and int(wanted) == int(value)
    if keyword.endswith("UID"):
        return wanted == value
    if keyword == "PatientName":
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

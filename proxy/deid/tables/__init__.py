"""The standard's rules as data: PS3.15 E.1-1 by edition, E.3.10-1, CID 7050, Types per SOP Class (see NOTICE)."""

import csv
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Final

EDITIONS: Final = ("2026c", "2024b", "2023", "2021b")
OPTIONS: Final = (
    "safe-private", "uids", "device", "institution", "patient-characteristics", "full-dates",
    "modified-dates", "clean-descriptors", "clean-structured-content", "clean-graphics",
)  # fmt: skip


# Multi-frame functional groups (module 1C or U in the source) make these Type 1 and 1C
_DIMENSIONS: Final = 0x00209221
_OF_FUNCTIONAL_GROUPS: Final = frozenset((0x00080023, 0x00080033, 0x0008002A))


def _rows(name: str) -> list[dict[str, str]]:
    text = (files(__package__) / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def profile(edition: str) -> Mapping[str, Mapping[str, str]]:
    """Tag (eight hex digits, X for any) to column to code, of Table E.1-1."""
    return {
        row["tag"]: {key: code for key, code in row.items() if code} for row in _rows(f"e1_1_{edition}.csv")
    }


@cache
def method_codes() -> Mapping[str, str]:
    return {row["code"]: row["meaning"] for row in _rows("cid7050.csv")}


@cache
def safe_private() -> Mapping[tuple[str, int, int], str]:
    """(creator, group, low byte) to VR, of Table E.3.10-1."""
    return {
        (row["creator"], int(row["tag"][:4], 16), int(row["tag"][6:], 16)): row["vr"]
        for row in _rows("e3_10_1.csv")
    }


@cache
def content_items() -> Mapping[tuple[str, str, str], Mapping[str, str]]:
    """(coding scheme, code, value type) of a content item to column to code, of Table E.3.4-1."""
    return {
        (row.pop("scheme"), row.pop("code"), row.pop("type")): {
            key: code for key, code in row.items() if code
        }
        for row in _rows("e3_4_1.csv")
    }


def _tags(text: str) -> frozenset[int]:
    return frozenset(int(tag, 16) for tag in text.split(",") if tag)


@cache
def _types() -> Mapping[str, str]:
    text = (files(__package__) / "iod_types.txt").read_text(encoding="ascii")
    return dict(line.split(" ", 1) for line in text.splitlines())


@lru_cache(maxsize=512)
def types_of(sop_class: str) -> tuple[frozenset[int], frozenset[int]] | None:
    """Type 1 and Type 2 attributes of the mandatory modules; None for a class nobody told us about."""
    line = _types().get(sop_class)
    if line is None:
        return None
    first, second = line.split(" ")
    always, may_be_empty = _tags(first), _tags(second)
    if _DIMENSIONS in always:
        always |= _OF_FUNCTIONAL_GROUPS
    return always, may_be_empty

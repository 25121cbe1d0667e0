"""Gates: what must not pass by itself, whatever the header's rules did."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from proxy.deid.context import Hold
from proxy.deid.facts import Facts
from proxy.deid.recipe import Recipe

_STANDARD: Final = "1.2.840.10008."  # the root of all UIDs of DICOM (PS3.5 9.1)
_SECONDARY: Final = "1.2.840.10008.5.1.4.1.1.7"
_ULTRASOUND: Final = ("1.2.840.10008.5.1.4.1.1.3", "1.2.840.10008.5.1.4.1.1.6")
_REPORTS: Final = "1.2.840.10008.5.1.4.1.1.88."
_DOCUMENTS: Final = "1.2.840.10008.5.1.4.1.1.104."
_PHOTOGRAPHS: Final = ("1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.840.10008.5.1.4.1.1.77.1.4.1")
_SHEETS: Final = re.compile(
    r"patient protocol|dose (?:report|sheet|info)|screen ?(?:save|shot|capture)|scanned|\breport\b|request form",
    re.I,
)
_SCREEN: Final = frozenset(("SCREEN SAVE", "SCREENSHOT", "SCREEN", "DOSE_INFO", "REPORT", "FUSED", "SCANNED"))
_VOICES: Final = ("1.2.840.10008.5.1.4.1.1.9.4.1", "1.2.840.10008.5.1.4.1.1.9.4.2")

DOUBLED: Final = Hold(
    "disorder", "What says whose it is stands in it twice; readers differ in which they believe."
)
LATE: Final = Hold("disorder", "Attributes that belong before its pixels stand behind them.")
"""Other readers may see there what no gate has seen: that it shows a name, or whose it is."""
DRAWN: Final = Hold("overlay", "An overlay is drawn in unused bits of its pixels, and may show a name.")


def gates(facts: Facts, recipe: Recipe) -> tuple[Hold, ...]:
    """The gates that say no to this header."""
    found = (
        _directory(facts), _private(facts), _burned_in(facts, recipe), _document(facts, recipe), _report(facts, recipe)
    )  # fmt: skip
    return tuple(hold for hold in found if hold)


def _directory(facts: Facts) -> Hold | None:
    if facts.sop_class_uid:
        return None
    return Hold("no-class", "It names no SOP Class; a DICOMDIR is made anew from clean images, never passed.")


def _private(facts: Facts) -> Hold | None:
    """Which attributes such an object has, and what they say of whom, only its maker knows."""
    if not facts.sop_class_uid or facts.sop_class_uid.startswith(_STANDARD):
        return None
    return Hold("private-class", "Its SOP Class is private: what its attributes mean, no rule knows.")


def _burned_in(facts: Facts, recipe: Recipe) -> Hold | None:
    if recipe.gate("burned-in") == "accept":
        return None
    reason = _burned_in_reason(facts)
    return Hold("burned-in", reason) if reason else None


def _declared(facts: Facts) -> bool:
    return "YES" in (said.strip() for said in facts.burned_in_annotation.upper().split("\\"))


def _names_a_screen(facts: Facts) -> bool:
    return bool({part.strip().upper() for part in facts.image_type.split("\\")} & _SCREEN)


def _shows_a_label(facts: Facts) -> bool:
    kinds = [part.strip().upper() for part in facts.image_type.split("\\")]
    return "LABEL" in kinds or facts.specimen_label.upper() == "YES"


def _is_ultrasound(facts: Facts) -> bool:
    return facts.modality == "US" or _is(facts.sop_class_uid, *_ULTRASOUND)


_SIGNS: Final[tuple[tuple[Callable[[Facts], object], str], ...]] = (
    (_declared, "Burned In Annotation says YES."),
    (_names_a_screen, "Image Type names a screenshot, a dose sheet or the like."),
    (
        lambda facts: _is(facts.sop_class_uid, _SECONDARY),
        "A secondary capture often shows a screen with text.",
    ),
    (_is_ultrasound, "Ultrasound images often carry a banner with the name."),
    (lambda facts: facts.sop_class_uid in _PHOTOGRAPHS, "A photograph may show the person."),
    (lambda facts: facts.sop_class_uid in _VOICES, "A voice may say whose it is, or of whom it speaks."),
    (_shows_a_label, "The label of a slide may show a name or a number."),
    (
        lambda facts: _SHEETS.search(facts.series_description),
        "The series calls itself a protocol, a dose sheet, a report or a screenshot.",
    ),
    (
        lambda facts: facts.modality in ("DOC", "SC", "XC"),
        "This modality shows documents, screens or photographs.",
    ),
    (
        lambda facts: facts.conversion_type.upper() in ("WSD", "DI", "SI", "DRW"),
        "Conversion Type says that this was a screen, a scan or a drawing.",
    ),
)


def _burned_in_reason(facts: Facts) -> str:
    return _reason(
        facts.burned_in_annotation, facts.image_type, facts.sop_class_uid, facts.modality,
        facts.conversion_type, facts.series_description, facts.specimen_label,
    )  # fmt: skip


@lru_cache(maxsize=512)
def _reason(
    annotation: str, image_type: str, sop_class: str, modality: str, conversion: str, series: str, label: str
) -> str:
    """Images of one series share it."""
    facts = Facts(
        burned_in_annotation=annotation, image_type=image_type, sop_class_uid=sop_class, modality=modality,
        conversion_type=conversion, series_description=series, specimen_label=label,
    )  # fmt: skip
    return next((reason for sign, reason in _SIGNS if sign(facts)), "")


def _is(sop_class: str, *roots: str) -> bool:
    return any(sop_class == root or sop_class.startswith(root + ".") for root in roots)


def _document(facts: Facts, recipe: Recipe) -> Hold | None:
    if recipe.gate("documents") in ("accept", "remove") or not facts.sop_class_uid.startswith(_DOCUMENTS):
        return None
    return Hold("document", "An encapsulated document cannot be cleaned.")


def _report(facts: Facts, recipe: Recipe) -> Hold | None:
    if recipe.gate("structured-reports") in ("clean", "remove") or not facts.sop_class_uid.startswith(
        _REPORTS
    ):
        return None
    return Hold("structured-report", "A structured report may name the person in its text.")

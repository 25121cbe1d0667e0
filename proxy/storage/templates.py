"""Names of files by a template: `{project}/{patient_id}/{study_uid}/{series_number}/{n}.dcm`.

A template is judged when it is written down, by what its values can be at worst: no two images may ever share a name,
also where upper and lower case are one, and no name may be longer than file systems take. What an image says of itself
(modality, series number) never leads out of its folder, and tells no two images apart. Nothing here touches a disk.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

IMAGE: Final = "{patient_id}/{study_uid}/{series_uid}/{instance_uid}.dcm"
STUDY: Final = "{patient_id}/{study_uid}-{revision}.zip"
"""What holds where none is given: for an image, and for a ZIP of a study's revision."""

LONGEST: Final[Mapping[str, int]] = {
    "project": 64, "patient_id": 64, "study_uid": 64, "revision": 6, "series_uid": 64, "instance_uid": 64, "n": 8,
    "modality": 16, "series_number": 16,
}  # fmt: skip
"""The values, and how many characters each may have."""
SAID_BY_IMAGES: Final = frozenset({"modality", "series_number"})
OF_ONE_IMAGE: Final = SAID_BY_IMAGES | {"series_uid", "instance_uid", "n"}
ENOUGH: Final = ({"patient_id", "instance_uid"}, {"patient_id", "study_uid", "revision", "n"})
"""Either of these sets tells every image from every other: two projects may keep the UIDs of one study, but never share
a pseudonym."""
ENOUGH_FOR_A_STUDY: Final = frozenset({"patient_id", "study_uid", "revision"})

MOST_SEGMENTS: Final = 12
LONGEST_SEGMENT: Final = (
    230  # of the 255 bytes that file systems take: a file being written has a longer name
)
LONGEST_PATH: Final = 900
_PIECE: Final = re.compile(r"\{([a-z_]*)\}|([A-Za-z0-9._-]+)")
_ADJACENT: Final = re.compile(r"\}[^{_-]*\{")
_SAFE: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
_NUMBERS: Final = re.compile(r"[0-9.]+")
_SHARED: Final = {
    "patient_id": re.compile(r"[A-Za-z0-9]+-[A-Za-z0-9]+"),
    **dict.fromkeys(("study_uid", "series_uid", "instance_uid", "revision", "n"), _NUMBERS),
}
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


class TemplateError(ValueError):
    """The message is a sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Template:
    """Segments of a path; each a row of pieces: a value's name in braces, or text that stands as it is."""

    segments: tuple[tuple[str, ...], ...]

    def names(self) -> set[str]:
        return {piece[1:-1] for segment in self.segments for piece in segment if piece[0] == "{"}

    def fill(self, values: Mapping[str, str]) -> PurePosixPath | None:
        """None: one of the values is no name that may stand in a path."""
        filled = [self._segment(segment, values) for segment in self.segments]
        return PurePosixPath(*filled) if all(filled) else None

    def _segment(self, pieces: tuple[str, ...], values: Mapping[str, str]) -> str:
        is_shared = sum(piece[0] == "{" for piece in pieces) > 1
        found = [_value(piece[1:-1], values, is_shared) if piece[0] == "{" else piece for piece in pieces]
        whole = "".join(found)
        if not all(found) or not _SAFE.fullmatch(whole) or whole.endswith("."):
            return ""
        return f"_{whole}" if _DEVICES.fullmatch(whole) else whole


def _value(name: str, values: Mapping[str, str], is_shared: bool) -> str:
    """Empty: it may not stand in a name. What images say is made harmless, and never missing.

    Where values share a name, no value holds what stands between them, but the one hyphen of each pseudonym: so the
    name can be taken apart again, and two of them are equal only if their values are.
    """
    said = values[name]
    if name in SAID_BY_IMAGES:
        return re.sub(r"[^A-Za-z0-9]", "x", said.strip())[: LONGEST[name]] or "none"
    form = _SHARED.get(name, _SAFE) if is_shared else _SAFE
    return said if len(said) <= LONGEST[name] and form.fullmatch(said) else ""


def parse(text: str) -> Template:
    """Raises TemplateError with what is wrong about it, whatever it is for."""
    segments = tuple(tuple(_pieces(one)) for one in text.split("/"))
    if len(segments) > MOST_SEGMENTS:
        raise TemplateError(f"at most {MOST_SEGMENTS} folders.")
    longest = [sum(LONGEST.get(piece[1:-1], len(piece)) for piece in one) for one in segments]
    if max(longest) > LONGEST_SEGMENT or sum(longest) + len(longest) > LONGEST_PATH:
        raise TemplateError(
            f"a name could become longer than {LONGEST_SEGMENT} characters, or the whole longer than {LONGEST_PATH}:"
            " put fewer values into it, or a / between them."
        )
    return Template(segments)


def _pieces(segment: str) -> Iterator[str]:
    if not segment or segment[0] == "." or segment[-1] == "." or _DEVICES.fullmatch(segment):
        raise TemplateError(
            "each part between two / is a name: not empty, without a dot at either end, and no device of Windows."
        )
    if _ADJACENT.search(segment) or ("{project}" in segment and segment.count("{") > 1):
        raise TemplateError("put - or _ between two values, and {project} between slashes of its own.")
    yield from _matched(segment)


def _matched(segment: str) -> Iterator[str]:
    at = 0
    while at < len(segment):
        found = _PIECE.match(segment, at)
        if found is None:
            raise TemplateError("letters, digits, - _ . and values in braces only.")
        if found[1] is not None and found[1] not in LONGEST:
            raise TemplateError(f"there is no {{{found[1]}}}; known: {', '.join(LONGEST)}.")
        yield found[0]
        at = found.end()


def complaint(template: Template, *, of_studies: bool) -> str | None:
    """Why it cannot name images (or ZIPs of studies); None if it can."""
    names = template.names()
    if of_studies:
        return _study_complaint(template, names)
    if not any(enough <= names for enough in ENOUGH):
        return (
            "two images could have one name: use {patient_id} and {instance_uid},"
            " or {patient_id}, {study_uid}, {revision} and {n}."
        )
    return None


def _study_complaint(template: Template, names: set[str]) -> str | None:
    if names & OF_ONE_IMAGE:
        return f"a ZIP holds many images: without {', '.join(sorted(names & OF_ONE_IMAGE))}."
    if not names >= ENOUGH_FOR_A_STUDY:
        return "two ZIPs could have one name: use {patient_id}, {study_uid} and {revision}."
    return None if template.segments[-1][-1].endswith(".zip") else "the name of a ZIP ends in .zip."

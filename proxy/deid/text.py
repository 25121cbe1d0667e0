"""Cut identities out of one text: the person's own values, and patterns that look like somebody's.

Patterns: e-mail, URL, phone, SSN-like, labelled record numbers, long bare numbers, dates, street addresses, names
behind a title. What is cut leaves a single space; runs of spaces close up. Words stay.
"""

import re
from functools import lru_cache
from typing import Final

from proxy.deid.charsets import decode, decoded, encode
from proxy.deid.needles import Needles, squeeze

_MONTH: Final = (
    r"(?:jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz|mrz|apr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|"
    r"sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?)\.?"
)
_STREET: Final = (
    r"Street|STREET|St\.|Str\.|Avenue|AVENUE|Ave\.?|Road|ROAD|Rd\.|Boulevard|Blvd\.?|Lane|LANE|Drive|Court|Square|"
    r"Terrace|Straße|Strasse|Gasse|Platz|Allee"
)
PATTERNS: Final = re.compile(
    "|".join(
        (
            r"[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}",
            r"\b(?:https?|ftp)://\S+|\bwww\.\S+",
            r"\b\d{3}-\d{2}-\d{4}\b",
            r"(?<![\w.])\+\d[\d ().\-/]{6,24}\d",
            r"(?<![\w.])\(?0?\d{2,5}\)?[ \-/.]\d{3,}[ \-.]\d{2,}(?![\w.])",
            r"(?<![\w.])0\d(?:[ .\-]\d\d){4}(?![\w.])",
            r"(?<![\w.])\(\d{2,5}\) ?\d{3,}[ \-.]?\d{2,}",
            r"(?<![\w.])\d{3}-\d{4}(?![\w.-])",
            r"\b(?:mrn|pid|pat(?:ient)?(?:'s)?[ _-]?(?:id|no|nr)?|acc(?:ession)?(?:[ _-]?(?:no|nr|number|#))?|ssn|case|"
            r"chart|record|med(?:ical)?[ _-]?rec(?:ord)?|dob|born|geb)\b[ .:#=_-]*[A-Z]{0,4}[-_ ]?\d[\d\-/.]{2,40}",
            r"(?<!\d)(?:19|20)\d\d([-/._ ]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)",
            r"(?<![\d.])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\2(?:19|20)\d\d(?!\d)",
            r"(?<![\d.])\d\d([-/.])\d\d\3\d\d(?![\d.])",
            rf"\b\d{{1,2}}(?:st|nd|rd|th|\.)?[ \-]?{_MONTH}[ \-,]*(?:19|20)?\d\d\b",
            rf"\b{_MONTH}[ \-]\d{{1,2}}(?:st|nd|rd|th)?,?[ \-]+(?:19|20)\d\d\b",
            rf"(?-i:\b\d{{1,5}}[a-zA-Z]?,? (?:[A-Z][\w'-]{{1,30}} ){{1,3}}(?:{_STREET})(?!\w))",
            r"(?-i:\b[A-ZÄÖÜ][\w-]{0,40}(?:straße|strasse|str\.|gasse|platz|allee|weg) ?\d{1,4}\b)",
            r"(?-i:\b(?:Dr|DR\.|Prof|PROF\.|Mr|Mrs|MRS|Ms|Herr|Frau|Mme|Doctor)\b\.? (?:[A-Z]\. ?){0,4}"
            r"[A-Z][\w'-]{1,40}(?: [A-Z][\w'-]{1,40})?)",
            r"(?<![\w.])[A-Z]{0,3}\d{7,}(?![\w.])",
        )
    ),
    re.IGNORECASE,
)
_SPACES: Final = re.compile(r" {2,}")
_PADDING: Final = b" \0"


def has_pattern(values: list[bytes], charset: bytes) -> bool:
    """Whether any of these texts needs the slow look: they are read here as `cut_value` reads them."""
    return bool(values) and _has_pattern(tuple(values), charset)


@lru_cache(maxsize=256)
def _has_pattern(values: tuple[bytes, ...], charset: bytes) -> bool:
    """What stays in the text of one image mostly stays in its whole series."""
    text = "\n".join(decode(value.rstrip(_PADDING), charset) for value in values)
    return PATTERNS.search(text) is not None


def cut(text: str, needles: Needles | None, patterns: bool) -> str:
    """The text without the person's own values and, if asked, without what looks like anybody's."""
    new = text
    if needles and needles.pattern:
        new = needles.pattern.sub(" ", new)
    if patterns:
        new = PATTERNS.sub(" ", new)
    if new == text:
        return text
    return _SPACES.sub(" ", new).strip(" ^=-_,:;")


def cut_value(value: bytes, charset: bytes, needles: Needles | None, patterns: bool) -> bytes:
    """The same for an encoded, possibly multi-valued value; unchanged bytes stay the same bytes.

    Nothing is left of a value that holds one of the person's in an encoding that nobody declared.
    """
    stripped = value.rstrip(_PADDING)
    if needles and is_foreign(value, charset, needles):
        return b""
    text, codec = decoded(stripped, charset)
    new = "\\".join(cut(part, needles, patterns) for part in text.split("\\"))
    if new == text:
        return value
    return new.encode(codec) if codec else encode(new, charset)


def is_foreign(value: bytes, charset: bytes, needles: Needles) -> bool:
    """Whether the person stands in it in another encoding than it is read by, such as UTF-16 or an item's own."""
    value = value.rstrip(b"\0")
    if (value.isascii() and b"\0" not in value) or not needles.hits(squeeze(value)):
        return False
    left = _less_what_is_read(value, charset, needles)
    if b"\0" in left:
        return needles.hits(squeeze(left))
    return not left.isascii() and needles.is_foreign(squeeze(left))


def _less_what_is_read(value: bytes, charset: bytes, needles: Needles) -> bytes:
    text, codec = decoded(value, charset)
    rest = needles.pattern.sub(" ", text) if needles.pattern else text
    if rest == text:
        return value
    return rest.encode(codec) if codec else encode(rest, charset)

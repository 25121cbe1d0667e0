"""The person's own values as needles: what is looked for in everything textual that stays (hunting, N04).

Made from the original values of identifying attributes, at every depth. A needle has two forms: encoded ones for
one quick look through the finished bytes (NUL bytes squeezed out, so that UTF-16 is met too), and a pattern for
the slow, exact look at a single text. Short needles, and words that are also clinical ones, count only as whole
words or not at all (DESIGN 5).
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from proxy.deid.charsets import decode, encode
from proxy.deid.words import COMMON

NAME: Final = "name"
ID: Final = "id"
PHRASE: Final = "phrase"
PHONE: Final = "phone"
DATE: Final = "date"

# PN attributes are names wherever they stand (plan.py); these are the rest
KINDS: Final[dict[int, str]] = {
    0x00100020: ID, 0x00101000: ID, 0x00101001: NAME, 0x00101005: NAME, 0x00101060: NAME, 0x00080050: ID,
    0x00200010: ID, 0x00380010: ID, 0x00402016: ID, 0x00402017: ID, 0x00401001: ID, 0x00380060: ID,
    0x00101090: ID, 0x00101050: ID, 0x00120040: ID, 0x00120042: ID, 0x00181000: ID, 0x00100030: DATE,
    0x00101040: PHRASE, 0x00102154: PHONE, 0x00102155: PHONE, 0x00080080: PHRASE, 0x00080081: PHRASE,
    0x00080092: PHRASE, 0x00080094: PHONE, 0x00081010: ID, 0x00380300: PHRASE, 0x00380400: PHRASE,
    0x00102152: PHRASE, 0x00401010: NAME, 0x00102297: NAME, 0x00101081: PHRASE, 0x00400244: "", 0x00100021: ID,
    0x00102299: PHRASE, 0x00081040: PHRASE, 0x00321032: NAME, 0x00404037: NAME, 0x0040A075: NAME,
}  # fmt: skip

_SPLIT: Final = re.compile(r"[\s^=,;.\\/()\[\]\"]+")
_GAPS: Final = re.compile(r"[\s^,]+")
_LETTER: Final = r"[^\W\d_]"
_CODECS: Final = (
    "utf-8", "latin-1", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_9", "cp1252", "koi8_r", "cp1251",
    "shift_jis", "euc_jp", "euc_kr", "gb18030", "big5", "iso8859_8", "iso8859_6", "cp874", "iso8859_3", "iso8859_4",
    "iso8859_15", "cp1250", "cp1256",
)  # fmt: skip
_JAPANESE: Final = b"\\ISO 2022 IR 87"  # seven bits for a letter, whatever else is declared
_PLACEHOLDERS: Final = frozenset(
    ("unknown", "anonymous", "anonymized", "none", "null", "n/a", "na", "test", "phantom")
)


@dataclass(frozen=True, slots=True, repr=False)
class Needles:
    """What to look for; its repr shows nothing."""

    raw: tuple[bytes, ...]  # lower case, NUL free
    expression: (
        str  # all of them as one; most people's is never needed, and compiling it takes longer than an image
    )
    whole: frozenset[bytes] = frozenset()  # of raw those that count only as whole words
    joined: tuple[
        bytes, ...
    ] = ()  # those that count inside words too, without what may stand between their parts
    folded: tuple[
        bytes, ...
    ] = ()  # raw without punctuation, less what holds another: many spellings, one look
    short: tuple[bytes, ...] = ()  # of raw those that would be too short for that

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """For the slow, exact look; none if there is nothing to look for."""
        return _compiled(self.expression) if self.expression else None

    def hits(self, squeezed: bytes) -> bool:
        """A look at everything; may be wrong by saying yes."""
        return _holds_any(self.raw, squeezed) or self.is_joined(squeezed)

    def is_joined(self, data: bytes) -> bool:
        """Whether a whole value is there, whatever stands between its parts."""
        return _holds_any(self.joined, data.translate(_LOWER, _NOT_ALNUM))

    def glance(self, header: bytes) -> bool:
        """A quick look at everything; more often wrong by saying yes than `hits`, never by saying no."""
        folded = header.translate(_LOWER, _NOT_ALNUM)
        for needle in self.folded:
            if needle in folded:
                return True
        return bool(self.short) and _holds_any(self.short, squeeze(header))

    def stand_in(self, header: bytes) -> bool:
        """A closer look at a header without private elements; never wrong by saying no.

        Short needles hit by chance all the time ("Li" in "Clinical"), so they are looked at once more, as words.
        Bytes around a value may pass for letters: no length does in a header this small, no ESC has two meanings
        where there is none, and no standard group is written with two letters or two digits.
        """
        squeezed = squeeze(header)
        found = [needle for needle in self.raw if needle in squeezed]
        if len(header) >= _LENGTHS_LOOK_LIKE_TEXT or b"\x1b" in header or not self.whole.issuperset(found):
            return bool(found) or self.is_joined(header)
        if self.is_joined(header):
            return True
        lowered = header.lower()
        return any(_stands_as_a_word(needle, lowered, squeezed) for needle in found)

    def is_foreign(self, squeezed: bytes) -> bool:
        """For text that was read the wrong way: what is short stands alone, or it would be met by chance."""
        return any(
            needle in squeezed and (len(needle) >= 4 or _alone(needle).search(squeezed) is not None)
            for needle in self.raw
            if needle not in self.whole
        )

    def strikes(self, squeezed: bytes) -> bool:
        """For opaque bytes, where short needles would be met by chance."""
        return any(needle in squeezed for needle in self.raw if len(needle) >= 5) or self.is_joined(squeezed)


_FOLDABLE: Final = 3
_LOWER: Final = bytes(range(256)).lower()
_NOT_ALNUM: Final = bytes(mark for mark in range(128) if not chr(mark).isalnum())
_LENGTHS_LOOK_LIKE_TEXT: Final = 0x3000  # a 16 bit length from here on ends in what may be a digit


def _is_bounded(word: str) -> bool:
    """Whether it counts only as a whole word, or number."""
    return len(word) < 7 if word.isdigit() else word.isascii() and len(word) < 5


def _stands_as_a_word(needle: bytes, lowered: bytes, squeezed: bytes) -> bool:
    if lowered.count(needle) != squeezed.count(needle):
        return True  # NUL bytes in between: UTF-16, perhaps
    return _bounded(needle).search(lowered) is not None


@lru_cache(maxsize=512)
def _bounded(needle: bytes) -> re.Pattern[bytes]:
    if needle.isdigit():
        return re.compile(rb"(?<!\d)0*" + needle + rb"(?!\d[\d.\\])")
    return re.compile(rb"(?<![a-z])" + re.escape(needle) + rb"(?![a-z][a-z])")


@lru_cache(maxsize=512)
def _alone(needle: bytes) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![a-z\x80-\xff])" + re.escape(needle) + rb"(?![a-z\x80-\xff])")


@lru_cache(maxsize=512)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression, re.IGNORECASE)


def squeeze(data: bytes) -> bytes:
    return data.lower().replace(b"\0", b"")


@lru_cache(maxsize=512)
def needles(values: tuple[tuple[str, bytes], ...], charset: bytes) -> Needles:
    """From (kind, raw value) pairs as they were met; instances of one series share one."""
    words = {word for kind, value in values for word in _words(kind, decode(value, charset))}
    ordered = sorted(words, key=len, reverse=True)
    raw = {form for word in ordered for form in _forms(word, charset)}
    folds = {form: form.translate(_LOWER, _NOT_ALNUM) for form in raw}
    words_of = {
        bounded: [word for word in ordered if word.isascii() and _is_bounded(word) is bounded]
        for bounded in (True, False)
    }
    return Needles(
        tuple(sorted(raw)),
        "|".join(_pattern(word) for word in ordered),
        frozenset(word.lower().encode("ascii") for word in words_of[True]),
        _least(form.translate(_LOWER, _NOT_ALNUM) for form in _joinable(words_of[False], ordered, charset)),
        _least(fold for fold in folds.values() if len(fold) >= _FOLDABLE),
        _least(form for form, fold in folds.items() if len(fold) < _FOLDABLE),
    )


def _joinable(unbounded: list[str], words: list[str], charset: bytes) -> Iterator[bytes]:
    """What may stand with other marks between its parts than here; UTF-16 has marks inside its letters."""
    yield from (word.encode("ascii") for word in unbounded)
    for word in words:
        if not word.isascii() and _GAPS.search(word):
            yield from (form for form in _forms(word, charset) if min(form) >= 0x20 and not form.isascii())


def _least(forms: Iterable[bytes]) -> tuple[bytes, ...]:
    """Those that hold no other: where none of these is, none of all is."""
    found: list[bytes] = []
    for form in sorted(filter(None, forms), key=len):
        if not _holds_any(found, form):
            found.append(form)
    return tuple(found)


def _holds_any(forms: Iterable[bytes], data: bytes) -> bool:
    return any(form in data for form in forms)


def _words(kind: str, text: str) -> Iterator[str]:
    for value in text.split("\\"):
        yield from _MAKERS[kind](value.strip(" \0\t\r\n"))


def _name(value: str) -> Iterator[str]:
    for group in value.split("="):
        parts = [part for part in _SPLIT.split(group) if part]
        for part in parts:
            for word in {part, *part.split("-"), *part.split("'")}:
                if _is_worth(word):
                    yield from _spellings(word)
        if len(parts) > 1:
            yield from (parts[0] + parts[1], f"{parts[0]} {parts[1]}", f"{parts[1]} {parts[0]}")


_GERMAN: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_SLASHED: Final = str.maketrans("łŁøØđĐ", "lLoOdD")


def _spellings(word: str) -> set[str]:
    """As it is, and as somebody without these letters on the keyboard would type it."""
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", word.translate(_SLASHED)) if mark.isascii())
    return {word, word.translate(_GERMAN)} | (
        {bare} if len(bare) >= len(word) - 1 and len(bare) > 2 else set()
    )


def _is_worth(word: str) -> bool:
    folded = word.casefold()
    if folded in COMMON or folded in _PLACEHOLDERS or word.isdigit():
        return False
    return len(word) >= 3 or (len(word) == 2 and (not word.isascii() or word.isalpha()))


def _id(value: str) -> Iterator[str]:
    if value.casefold() in _PLACEHOLDERS or value.casefold() in COMMON:
        return
    bare = re.sub(r"[\W_]+", "", value)
    if not bare:
        return
    runs = re.findall(r"[^\W_]+", value)
    for form in {value, bare, value.lstrip("0"), *(mark.join(runs) for mark in " -_./")}:
        if len(form) >= 4 or (len(form) == 3 and not form.isdigit()):
            yield form


def _phrase(value: str) -> Iterator[str]:
    for part in re.split(r"[\^\r\n;]+", value):
        text = part.strip()
        if len(text) >= 4 and text.casefold() not in COMMON:
            yield text


def _phone(value: str) -> Iterator[str]:
    yield from _phrase(value)
    digits = re.sub(r"\D", "", value)
    if len(digits) >= 6:
        yield digits


def _date(value: str) -> Iterator[str]:
    match = re.fullmatch(r"(\d{4})(\d\d)(\d\d)", value)
    if match:
        year, month, day = match.groups()
        yield value
        for mark in "-./ ":
            yield f"{year}{mark}{month}{mark}{day}"
            yield f"{day}{mark}{month}{mark}{year}"
            yield f"{month}{mark}{day}{mark}{year}"
        yield from (day + month + year, month + day + year)


_MAKERS: Final = {NAME: _name, ID: _id, PHRASE: _phrase, PHONE: _phone, DATE: _date}


def _forms(word: str, charset: bytes) -> Iterator[bytes]:
    """Encoded as the instance and other plausible systems would, in lower case."""
    if word.isascii():
        yield word.lower().encode("ascii")
        return
    for form in {word, word.lower(), word.upper(), word.title()}:
        yield _plain(encode(form, charset))
        yield _plain(encode(form, _JAPANESE))
        for codec in ("utf-16-le", "utf-16-be", *_CODECS):
            try:
                yield form.encode(codec).lower().replace(b"\0", b"")
            except UnicodeEncodeError:
                continue


def _plain(encoded: bytes) -> bytes:
    """Without escape sequences: the longest run between them."""
    runs = re.split(rb"\x1b[\x20-\x2f]+[\x30-\x7e]|\x1b.", encoded)
    return max(runs, key=len).lower().replace(b"\0", b"") or encoded


def _pattern(word: str) -> str:
    text = r"[\W_]{0,3}".join(re.escape(part) for part in _GAPS.split(word) if part)
    if not _is_bounded(word):
        return text
    return rf"(?<!\d)0*{text}(?!\d)" if word.isdigit() else rf"(?<!{_LETTER}){text}(?!{_LETTER})"


def collect(pairs: Iterable[tuple[str, bytes]]) -> tuple[tuple[str, bytes], ...]:
    """Each once, in order: the key that instances of one person share."""
    return tuple(dict.fromkeys((kind, value.strip(b" \0")) for kind, value in pairs if value.strip(b" \0")))

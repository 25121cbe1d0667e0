"""Which studies are wanted, from options or from the lines of a query file, as values.

All of it may name somebody: nothing here is shown, and what is wrong with it is said without quoting it.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Final

COLUMNS: Final = ("patient", "issuer", "study", "accession", "date-range", "modality")
LONGEST: Final = {
    "patient": 64, "issuer": 64, "study": 64, "accession": 16, "date-range": 17, "modality": 16
}  # fmt: skip
LONGEST_LINE: Final = 4096  # bytes
MOST_LINES: Final = 100_000
_UID = re.compile(r"[0-9.]{1,64}")
_WILD = re.compile(r"[*?\\]")
_RANGE = re.compile(r"(\d{8})?(-)?(\d{8})?")


class Unusable(Exception):
    """A selection that cannot be meant; the message is a sentence that names nobody."""


@dataclass(frozen=True, slots=True, repr=False)
class Selection:
    patient: str = ""
    issuer: str = ""  # of the Patient ID
    study: str = ""
    accession: str = ""
    dates: str = ""  # as DICOM writes them: 20240101, 20240101-20240131, 20240101-, -20240131
    modality: str = ""

    @property
    def text(self) -> str:
        """For a keyed digest: the same selection is the same text."""
        return "\x1f".join((self.patient, self.issuer, self.study, self.accession, self.dates, self.modality))


def read_selection(given: Mapping[str, str]) -> Selection:
    """By the names of COLUMNS. Raises Unusable."""
    said = {name: (given.get(name) or "").strip() for name in COLUMNS}
    said["modality"] = said["modality"].upper()
    for name, value in said.items():
        _check_text(name, value)
    if said["study"] and not is_uid(said["study"]):
        raise Unusable("The study is no UID.")
    if said["date-range"]:
        _check_dates(said["date-range"])
    if said["issuer"] and not said["patient"]:
        raise Unusable("An issuer is one of a Patient ID: say the patient, too.")
    if not any(said[name] for name in COLUMNS if name != "modality"):
        raise Unusable(
            "Say a patient, a study, an accession number or a range of dates: all at once is too much."
        )
    return Selection(*(said[name] for name in COLUMNS))


def is_uid(text: str) -> bool:
    """Those that break the rules of PS3.5 9.1, by a leading zero for instance, exist, and are asked for as they are."""
    return bool(_UID.fullmatch(text))


def _check_text(name: str, value: str) -> None:
    if len(value) > LONGEST[name]:
        raise Unusable(f"The {name} is longer than {LONGEST[name]} characters.")
    if _WILD.search(value):
        raise Unusable(f"The {name} has a wildcard or a backslash: say exactly what is wanted.")
    if not value.isprintable():
        raise Unusable(f"The {name} has a control character.")


def _check_dates(value: str) -> None:
    found = _RANGE.fullmatch(value)
    if found is None or not (found[1] or found[3]) or (found[3] and not found[2]):
        raise Unusable("The date-range is not like 20240101, 20240101-20240131, 20240101- or -20240131.")
    days = [_day(one) for one in (found[1], found[3]) if one]
    if days != sorted(days):
        raise Unusable("The date-range ends before it begins.")


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%d")
    except ValueError:
        raise Unusable("The date-range names a day that does not exist.") from None


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Bounded: what has no end of line is found to be too long, and not read to its end."""
    return iter(lambda: file.readline(LONGEST_LINE + 1), b"")


def read_file(lines: Iterable[bytes]) -> Iterator[Selection]:
    """CSV whose first line names its columns; empty lines, and those that begin with #, are passed over.

    Raises Unusable.
    """
    columns: list[str] = []
    for number, line in enumerate(lines, start=1):
        try:
            if number > MOST_LINES:
                raise Unusable(f"The file has more than {MOST_LINES:,} lines.")
            cells = _cells(line)
            if not cells:
                continue
            if columns:
                yield _selection(columns, cells)
            else:
                columns = _columns(cells)
        except Unusable as why:
            raise Unusable(f"Line {number}: {why}") from None
    if not columns:
        raise Unusable(f"The file has no line; the first names columns out of {', '.join(COLUMNS)}.")


def _cells(line: bytes) -> list[str]:
    if len(line) > LONGEST_LINE:
        raise Unusable(f"The line is longer than {LONGEST_LINE} bytes.")
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Unusable("The line is not UTF-8.") from None
    if not text or text.startswith("#"):
        return []
    try:
        rows = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error:
        raise Unusable("The line is no CSV: see its quotes.") from None
    return [cell.strip() for cell in rows[0]] if rows else []


def _columns(cells: list[str]) -> list[str]:
    if not set(cells) <= set(COLUMNS) or len(set(cells)) != len(cells):
        raise Unusable(f"The first line names columns, each once, out of {', '.join(COLUMNS)}.")
    return cells


def _selection(columns: list[str], cells: list[str]) -> Selection:
    if len(cells) != len(columns):
        raise Unusable(f"There are {len(cells)} cells for {len(columns)} columns.")
    return read_selection(dict(zip(columns, cells, strict=True)))

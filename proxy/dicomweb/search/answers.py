"""What a search finds, as the DICOM JSON Model, page by page (PS3.18 10.6.3).

Which rows match is known before anything is answered, so that a warning can say whether there are more; what they say
is read while it goes out. In the identified view everybody who is answered has left a mark before their page leaves.
"""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from proxy.dicomweb import model
from proxy.dicomweb.search.asking import Asked
from proxy.network.identifier import CHARACTER_SET, UNICODE, Element
from proxy.retrieval.query import rows
from proxy.retrieval.query.answering import elements, sight_of
from proxy.retrieval.query.attributes import AVAILABILITY, IMAGE, ONLINE, RETRIEVE_AE, SAID, SERIES, STUDY
from proxy.retrieval.query.rows import Row
from proxy.retrieval.query.search import Search
from proxy.retrieval.views import View

RETRIEVE_URL: Final = 0x00081190
MORE: Final = (
    "The number of results exceeded the maximum supported by the server. Additional results can be requested."
)
LITERAL: Final = "The fuzzymatching parameter is not supported. Only literal matching has been performed."
_WHERE: Final = {
    STUDY: (("studies", "StudyInstanceUID"),),
    SERIES: (("studies", "StudyInstanceUID"), ("series", "SeriesInstanceUID")),
    IMAGE: (
        ("studies", "StudyInstanceUID"),
        ("series", "SeriesInstanceUID"),
        ("instances", "SOPInstanceUID"),
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """`pieces` of a JSON array; whoever has it reads it to its end, or closes it. `warnings` without our name."""

    pieces: Iterator[bytes]
    warnings: tuple[str, ...]


def found(view: View, asked: Asked, above: dict[str, str], base: str, most: int) -> Found:
    """`above`: what the path names; `base`: the address under which `studies` is; not more than `most`.

    Raises NotAllowed, as may the pieces; what refuses the first page is raised here.
    """
    answers = _answers(view, asked, above, base, most)
    is_more = bool(next(answers))
    page = next(answers, [])
    warnings = (MORE,) * (is_more and _is_cut(asked, most)) + (LITERAL,) * asked.is_fuzzy
    return Found(_Pieces(answers, page if isinstance(page, list) else []), warnings)


def _is_cut(asked: Asked, most: int) -> bool:
    """Whether it was us who said how many: who says it themselves knows."""
    return asked.limit is None or asked.limit > most


class _Pieces:
    """An iterator that can be closed at any moment, before its first piece too."""

    def __init__(self, answers: "Answers", first: list[model.Dataset]) -> None:
        self._answers = answers
        rest = (one for page in answers if isinstance(page, list) for one in page)
        self._pieces = model.array(chain(first, rest))

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        self._answers.close()


Answers = Generator["bool | list[model.Dataset]", None, None]


def _answers(view: View, asked: Asked, above: dict[str, str], base: str, most: int) -> Answers:
    """First whether there are more than these, then page after page."""
    sight = sight_of(view, asked.checked)
    try:
        search = Search(asked.checked, rows.projects_of(view), sight)
        limit = most if asked.limit is None else min(asked.limit, most)
        numbers, is_more = search.window(asked.offset, limit)
        yield is_more
        for page in search.of(numbers):
            yield [_answer(asked, row, above, base) for row in page]
    finally:
        sight.over()


def _answer(asked: Asked, row: Row, above: dict[str, str], base: str) -> model.Dataset:
    level, known = asked.checked.level, above | row.values
    path = "/".join(f"{folder}/{known[keyword]}" for folder, keyword in _WHERE[level])
    more = (
        Element(CHARACTER_SET, "CS", UNICODE),
        Element(AVAILABILITY, SAID[AVAILABILITY], ONLINE),
        Element(RETRIEVE_URL, "UR", f"{base}/{path}"),
    )
    said = asked.checked.said - {AVAILABILITY, RETRIEVE_AE}
    others = (Element(tag, SAID[tag], "") for tag in said)
    return model.of_elements((*elements(asked.checked, row), *more, *others))

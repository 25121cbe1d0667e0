"""What a person at the console hears of a pull: counts and reasons, never whose studies they are."""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TextIO

from proxy.retrieval.models import Pull
from proxy.retrieval.pulls import book
from proxy.retrieval.pulls.asking import Asked
from proxy.retrieval.pulls.book import Result, Totals

EVERY: Final = 0.5  # seconds


def aloud(stream: Any) -> Callable[[str], None]:
    """Each line at once, also into a file or a pipe: a call may wait for the night."""

    def say(line: str) -> None:
        stream.write(line)
        stream.flush()

    return say


class Progress:
    """A line that is written over and over, on a terminal only."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream, self._shown = stream, stream.isatty()
        self._studies = self._images = 0
        self._of = 0
        self._next = 0.0

    def of(self, studies: int) -> None:
        self._of = studies

    def image(self) -> None:
        self._images += 1
        if self._shown and time.monotonic() >= self._next:
            self._next = time.monotonic() + EVERY
            self._write()

    def study(self, result: Result) -> None:
        self._studies += 1
        if self._shown:
            self._write()

    def _write(self) -> None:
        self._stream.write(
            f"\r{self._studies} of {self._of} studies, {self._images} images asked for came\x1b[K"
        )
        self._stream.flush()

    def end(self) -> None:
        if self._shown:
            self._stream.write("\n")


def answered(name: str, asked: Asked) -> Iterator[str]:
    without = f", and does not say how many images {asked.uncounted} of them have" if asked.uncounted else ""
    yield f"{name} lists {asked.studies} studies with {asked.images} images{without}."
    if asked.more:
        yield f"It has more: only the first {asked.most} are taken (--max)."
    for what, count in asked.odd.most_common():
        yield f"{count} answers are left out: {what}."


def outcome(pull: Pull, totals: Totals, verb: str) -> Iterator[str]:
    yield (
        f"{totals.fetched} of {totals.studies} studies are {verb}: {totals.arrived} of {totals.said} images"
        + (f", {totals.left_out} left out because we do not accept their class." if totals.left_out else ".")
    )
    for reason, count in book.reasons(pull):
        yield f"{count} {'study' if count == 1 else 'studies'}: {reason}"
    if totals.short or totals.waiting:
        yield "The same call goes on with what is missing."

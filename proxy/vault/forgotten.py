"""The list of the forgotten, kept apart from the data: a restored backup still knows them, and must not.

A line for each id they had: project, pseudonym, blind index and generation, appended and fsynced before the forgetting
is committed. With these a backup from before they first came learns that this pseudonym was given out. The list lies
beside the keys unless FORGOTTEN_FILE says otherwise; a place off this machine is best.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from proxy.storage.lines import append

NAME: Final = "forgotten"
"""Of the file, unless FORGOTTEN_FILE says otherwise."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line. An older one says no blind index, and nothing of the generation then."""

    project_id: int
    pseudonym: str
    blind: str = ""
    generation: int = 0


def remember(one: Listed) -> None:
    """Durable when it returns. Raises OSError, StorageFull."""
    _append(f"{one.project_id} {one.pseudonym} {one.blind} {one.generation}")


def listed() -> list[Listed]:
    """The earliest first. Whatever can be no line is none; one that was cut short may say less. Raises OSError."""
    return [one for line in _lines(_text()) if (one := _read(line))]


def add(text: str) -> None:
    """From another copy of the list: lines that are missing here; none of ours goes."""
    known = set(_lines(_text()))
    for line in _lines(text):
        if line not in known:
            _append(line)


def _append(line: str) -> None:
    append(Path(settings.FORGOTTEN_FILE), line)


def _text() -> str:
    path = Path(settings.FORGOTTEN_FILE)
    return path.read_text(encoding="ascii", errors="replace") if path.exists() else ""


def _lines(text: str) -> Iterator[str]:
    return (line for line in map(str.strip, text.split("\n")) if line)


def _read(line: str) -> Listed | None:
    words = line.split()
    if len(words) < 2 or not words[0].isdecimal():
        return None
    if len(words) == 4 and words[3].isdecimal():
        return Listed(int(words[0]), words[1], words[2], int(words[3]))
    return Listed(int(words[0]), words[1])

"""What is said of a batch at its end. Files are told by their number: their names may name somebody."""

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from proxy.deid.dictionary import keyword_of
from proxy.management.batch.fates import BAD, CLEAN, KINDS, NOT_DICOM, UNDONE, Done

MOST_TOLD: Final = 50


@dataclass(slots=True)
class Tally:
    """Counts of what has come so far; keeps only what is told by number."""

    began: float = field(default_factory=time.monotonic)
    kinds: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    changes: Counter[tuple[int, str]] = field(default_factory=Counter)
    beside: int = 0
    told: list[Done] = field(default_factory=list)

    def add(self, done: Done) -> None:
        self.kinds[done.fate.kind] += 1
        self.sizes[done.fate.kind] += done.size
        self.changes.update(done.changes)
        self.beside += done.beside
        if done.fate.kind not in (CLEAN, UNDONE):
            self.told.append(done)

    @property
    def bad(self) -> bool:
        return any(self.kinds[kind] for kind in BAD)


def summary(tally: Tally, console: Console, *, dry: bool) -> None:
    table = Table("files", "bytes", "what would become of them" if dry else "what became of them")
    for kind in KINDS:
        if tally.kinds[kind] or kind in (*BAD, CLEAN, NOT_DICOM):
            table.add_row(str(tally.kinds[kind]), str(tally.sizes[kind]), kind)
    console.print(table)
    spent = max(time.monotonic() - tally.began, 0.001)
    done = sum(tally.kinds.values()) - tally.kinds[UNDONE]
    console.print(f"{spent:.1f} s, {done / spent:.0f} files/s", highlight=False)
    if tally.beside:
        console.print(f"{tally.beside} clean files lie beside others of the same UID with other content.")


def troubles(tally: Tally, console: Console) -> None:
    """Those that a person must look at first, then what was no DICOM."""
    told = sorted(tally.told, key=lambda done: (done.fate.kind not in BAD, done.number))
    for done in told[:MOST_TOLD]:
        console.print(
            f"file {done.number} ({done.size} bytes) {done.fate.kind}: {done.fate.reason}", highlight=False
        )
    if len(told) > MOST_TOLD:
        console.print(f"and {len(told) - MOST_TOLD} more; --list FILE names all of them")


def changes(tally: Tally, console: Console) -> None:
    table = Table("times", "action", "attribute")
    for (tag, action), count in sorted(tally.changes.items(), key=lambda one: (one[0][0], one[0][1])):
        table.add_row(str(count), action, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {keyword_of(tag)}".strip())
    console.print(table)


def write_list(path: Path, files: Sequence[Path], dones: Iterable[Done]) -> None:
    """Number, fate, name and reason of all that did not come out clean; nobody else can read it."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as out:
        for done in dones:
            words = (str(done.number), done.fate.kind, str(files[done.number - 1]), done.fate.reason)
            out.write("\t".join(word.replace("\t", " ").replace("\n", " ") for word in words) + "\n")

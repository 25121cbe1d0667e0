"""Is every study found by its accession number and Patient ID?"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from proxy.management.doctor.findings import Finding, count, ok, warn
from proxy.retrieval import lacking

EACH: Final = 10.0  # seconds


def examine_numbers() -> Iterator[Finding]:
    without = lacking.lacking().count()
    if without:
        said = (
            f"{count(without, 'study')} came before keys of accession numbers and Patient IDs were kept, and"
        )
        said += " is" if without == 1 else " are"
        yield warn("numbers", f"{said} not found by them: --repair reads them from the seals.", fill)
    else:
        yield ok("numbers", "every study is found by its accession number and Patient ID.")


def fill() -> str:
    """Stopped, it goes on where it was."""
    done = lacking.fill(_telling(time.monotonic))
    return f"Made the keys of {count(done, 'study')}."


def _telling(clock: Callable[[], float]) -> Callable[[int], None]:
    """Says now and then how far it is, beside the findings."""
    told_at = clock()

    def progress(done: int) -> None:
        nonlocal told_at
        if clock() - told_at >= EACH:
            told_at = clock()
            print(f"Made the keys of {count(done, 'study')} so far.", file=sys.stderr, flush=True)

    return progress

"""Do the books balance? (promise 4)"""

import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from proxy.alerts.findings import MINUTE, Finding, Rule
from proxy.books.balance import balance
from proxy.deliveries.ledger import Line

LOOKS: Final = 3
PAUSE: Final = 1.0  # seconds


def off(now: datetime) -> Iterator[Finding]:
    """What is off at every look. For a moment between a study's release and the opening of its deliveries it stands on
    one side alone, and in a busy house there is often such a study."""
    lines = _off()
    for _ in range(LOOKS - 1):
        if lines:
            time.sleep(PAUSE)
            lines = _still(lines, _off())
    for line in lines.values():
        said = f"Received and accounted for differ by {line.difference:,} of {line.received:,} images."
        yield Finding(line.destination, said, abs(line.difference))


def _off() -> Mapping[str, Line]:
    return {line.destination: line for line in balance() if line.difference}


def _still(before: Mapping[str, Line], after: Mapping[str, Line]) -> Mapping[str, Line]:
    """Of each that is off both times, the smaller difference: what is lost is never less than that."""
    both = before.keys() & after.keys()
    return {name: min(before[name], after[name], key=lambda line: abs(line.difference)) for name in both}


RULES: Final = (
    Rule(
        "ledger-off",
        "the books do not balance",
        "Run `ledger --by study --off` to see where, then `why STUDY` and `doctor`. An image is missing from one of two"
        " counts: keep the machine as it is until that is understood.",
        off,
        every=5 * MINUTE,
        patience=10 * MINUTE,
    ),
)

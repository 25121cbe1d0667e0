"""Do the books balance? (promise 4)"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from proxy.alerts.findings import MINUTE, Finding, Rule
from proxy.books.balance import balance


def off(now: datetime) -> Iterator[Finding]:
    for line in balance():
        if line.difference:
            said = f"Received and accounted for differ by {line.difference:,} of {line.received:,} images."
            yield Finding(line.destination, said, abs(line.difference))


RULES: Final = (
    Rule(
        "ledger-off",
        "the books do not balance",
        "Run `ledger --by study --off` to see where, then `why STUDY` and `doctor`. An image is missing from one of two"
        " counts: keep the machine as it is until that is understood.",
        off,
        every=5 * MINUTE,
        patience=5 * MINUTE,
    ),
)

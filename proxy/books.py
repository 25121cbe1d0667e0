"""The books of the whole house: what goes out, and what comes home, for each destination (promise 4).

Each of the two is counted in one moment of its own; nothing moves from one to the other.
"""

from collections.abc import Mapping
from dataclasses import replace

from proxy.deliveries import ledger
from proxy.deliveries.ledger import Line
from proxy.retrieval.home.tally import Tally, tallies


def balance() -> list[Line]:
    """A line for each destination, by name; results are counted as the images they are."""
    home = dict(tallies())
    lines = [_added(line, home.pop(line.destination, None)) for line in ledger.balance()]
    return sorted([*lines, *_alone(home)], key=lambda line: line.destination)


def _added(line: Line, tally: Tally | None) -> Line:
    if tally is None:
        return line
    return replace(
        line,
        received=line.received + tally.received,
        delivered=line.delivered + tally.delivered,
        excluded=line.excluded + tally.excluded,
        in_flight=line.in_flight + tally.in_flight,
    )


def _alone(home: Mapping[str, Tally]) -> list[Line]:
    """Retired destinations that had nothing but results."""
    return [_added(Line(name, 0, 0, 0, 0, 0), tally) for name, tally in home.items()]

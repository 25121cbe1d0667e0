"""The way home of what was made outside from pseudonymous images and that we never sent, such as a SEG (promise 7).

`mentions` says whom and what an object speaks of, `decide` which study it belongs to, `restored` gives it its identity.
Values in, values out: the caller looks up what is known, and opens seals.
"""

from proxy.deid.homeward.deciding import (
    AMBIGUOUS,
    FORGOTTEN,
    TWO_PATIENTS,
    TWO_STUDIES,
    UNKNOWN,
    Found,
    Match,
    Place,
    decide,
)
from proxy.deid.homeward.mentions import Mentions, mentions
from proxy.deid.homeward.originals import Level, Originals, learn, level_of, renamed
from proxy.deid.homeward.parts import Parts, header_of, parts_of
from proxy.deid.homeward.turning import Unfit, restored

__all__ = [
    "AMBIGUOUS",
    "FORGOTTEN",
    "TWO_PATIENTS",
    "TWO_STUDIES",
    "UNKNOWN",
    "Found",
    "Level",
    "Match",
    "Mentions",
    "Originals",
    "Parts",
    "Place",
    "Unfit",
    "decide",
    "header_of",
    "learn",
    "level_of",
    "mentions",
    "parts_of",
    "renamed",
    "restored",
]

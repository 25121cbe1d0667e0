"""The table of certainties, as plain values."""

from dataclasses import replace

import pytest

from proxy.deid import Hold
from proxy.deid.homeward import (
    AMBIGUOUS,
    FORGOTTEN,
    TWO_PATIENTS,
    TWO_STUDIES,
    UNKNOWN,
    Found,
    Match,
    Mentions,
    Place,
    decide,
)

ADA, BEN = "ANON-" + "A" * 16, "ANON-" + "B" * 16
NOW, OLD, BENS = Place(ADA, "2.25.1"), Place(ADA, "2.25.2"), Place(BEN, "2.25.3")
SAID = Mentions("1.2.840.1", "1.9", "1.8", "1.7", "SUBJECT-7", frozenset())
OF_ADA = replace(SAID, patient=ADA)
IN_NOW = replace(SAID, study=NOW.study)
ONE, BOTH = {ADA: [NOW]}, {ADA: [NOW, OLD]}
MERGED = {ADA: ADA, BEN: ADA}


@pytest.mark.parametrize(
    ("said", "found", "verdict"),
    [
        (SAID, Found(), UNKNOWN),
        (OF_ADA, Found(), UNKNOWN),  # a pseudonym that nobody has
        (SAID, Found(instances={"i": NOW}), Match(NOW, "instances")),
        (SAID, Found(series={"s": NOW}), Match(NOW, "series")),
        (IN_NOW, Found(studies={NOW.study: NOW}), Match(NOW, "study")),
        (SAID, Found(instances={"i": NOW}, series={"s": OLD}), Match(NOW, "instances")),
        (SAID, Found(instances={"i": NOW, "j": OLD}), TWO_STUDIES),
        (IN_NOW, Found(instances={"i": NOW, "j": OLD}, studies={NOW.study: NOW}), Match(NOW, "instances")),
        (IN_NOW, Found(instances={"j": OLD}, studies={NOW.study: NOW}), TWO_STUDIES),
        (IN_NOW, Found(studies={NOW.study: NOW, OLD.study: OLD}), Match(NOW, "study")),
        (SAID, Found(instances={"i": NOW}, series={"s": BENS}), TWO_PATIENTS),
        (replace(SAID, patient=BEN), Found(instances={"i": NOW}, is_known=True), TWO_PATIENTS),
        (replace(SAID, patient=BEN), Found(instances={"i": NOW}), TWO_PATIENTS),  # a forged pseudonym
        (SAID, Found(instances={"i": NOW}, forgotten={ADA}), FORGOTTEN),
        (OF_ADA, Found(is_known=True, forgotten={ADA}), FORGOTTEN),
        (SAID, Found(frames={ADA}, forgotten={ADA}), FORGOTTEN),
        (SAID, Found(frames={ADA}, studies_of=ONE), Match(NOW, "frame")),
        (SAID, Found(frames={ADA}, studies_of=BOTH), AMBIGUOUS),
        (SAID, Found(frames={ADA, BEN}, studies_of=ONE), AMBIGUOUS),
        (OF_ADA, Found(frames={ADA, BEN}, is_known=True, studies_of=ONE), Match(NOW, "frame")),
        (OF_ADA, Found(frames={BEN}, is_known=True, studies_of=ONE), TWO_PATIENTS),
        (OF_ADA, Found(is_known=True, studies_of=ONE), Match(NOW, "patient")),
        (OF_ADA, Found(is_known=True, studies_of=BOTH), AMBIGUOUS),
        (OF_ADA, Found(is_known=True), AMBIGUOUS),
        # the hospital found them to be one
        (SAID, Found(instances={"i": NOW, "j": BENS}, persons=MERGED), TWO_STUDIES),
        (
            replace(SAID, patient=BEN),
            Found(series={"s": NOW}, is_known=True, persons=MERGED),
            Match(NOW, "series"),
        ),
        (SAID, Found(frames={ADA, BEN}, persons=MERGED, studies_of=ONE), Match(NOW, "frame")),
    ],
)
def test_what_decides(said: Mentions, found: Found, verdict: Match | Hold) -> None:
    assert decide(said, found) == verdict


def test_a_hold_says_why_to_a_person_and_names_nobody() -> None:
    for hold in (UNKNOWN, TWO_PATIENTS, TWO_STUDIES, AMBIGUOUS, FORGOTTEN):
        assert hold.code.startswith("home-")
        assert hold.reason.endswith(".")
        assert len(hold.reason) < 255

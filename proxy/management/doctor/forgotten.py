"""Does everybody stay forgotten who is on the list that is kept apart from the data?"""

from collections.abc import Iterator
from typing import Final

from proxy.management.doctor.findings import Finding, count, fail, ok
from proxy.vault import forget, forgotten

AREA: Final = "forgotten"
NAMED: Final = 5
PUT_BACK: Final = "as after a restore that was cut off, or a database that was put back by other means"


def examine_forgotten() -> Iterator[Finding]:
    listed = forgotten.listed()
    found = [*_living(forget.living(listed)), *_unknown(len(forget.unknown(listed)))]
    yield from found or [ok(AREA, "whoever is on the list of the forgotten stays so.")]


def _living(pseudonyms: list[str]) -> Iterator[Finding]:
    """A person decides: whoever came again since would be erased as they are now."""
    if pseudonyms:
        named = ", ".join(pseudonyms[:NAMED]) + (" ..." if pseudonyms[NAMED:] else "")
        said = f"{count(len(pseudonyms), 'person')} on the list of the forgotten and known again ({named}), {PUT_BACK}"
        yield fail(AREA, f"{said}: run `person forget` for each.")


def _unknown(number: int) -> Iterator[Finding]:
    if number:
        said = f"{count(number, 'id')} of forgotten persons unknown here, {PUT_BACK}"
        yield fail(
            AREA, f"{said}: their pseudonyms could be given out again. --repair keeps them used.", _use_up
        )


def _use_up() -> str:
    """Nobody of these lives."""
    ids = forget.unknown(forgotten.listed())
    done = sum(1 for one in ids if one.pseudonym not in forget.living([one]) and forget.erase_again(one))
    return f"{count(done, 'id')} of forgotten persons used up."

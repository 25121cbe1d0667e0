from collections.abc import Iterator

import pytest

from proxy.api import doors, house
from proxy.api.looking import Look

WELL = Look({"database": True, "disk": True, "listener": True})


class Told:
    """A look that somebody has told us; nothing is asked."""

    def __init__(self, look: Look) -> None:
        self.told = look

    def look(self) -> Look:
        return self.told


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nobody has been here before."""
    doors.requests.clear()
    yield
    doors.requests.clear()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    one = Told(WELL)
    monkeypatch.setattr(house, "looker", one)
    return one

from collections.abc import Iterator

import pytest

from tests.reception.conftest import data
from tests.retrieval.query import filled, wire

__all__ = ["data"]


@pytest.fixture
def stock(transactional_db: None) -> list[filled.Image]:
    """What is in the index; WARD may ask for what is of the first project."""
    every = filled.images()
    filled.fill(every)
    filled.node("WARD")
    return every


@pytest.fixture
def port(stock: list[filled.Image]) -> Iterator[int]:
    with wire.listening() as one:
        yield one

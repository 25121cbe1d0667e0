"""A query that finds nothing for a long time can be cancelled, and ends with its peer."""

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE

from proxy.network.door import Caller
from proxy.network.finding import STUDY_ROOT_FIND, Match, Query, Refused
from proxy.network.identifier import Element
from tests.network.conftest import Listen
from tests.network.people import Guest, wait_for

HERE = "127.0.0.1"


@dataclass
class Library(Guest):
    """A door that looks for as long as it is let, after one match."""

    queries: list[Query] = field(default_factory=list)
    closed: int = 0
    trouble: Exception | None = None

    def may_query(self, caller: Caller) -> bool:
        return caller.calling_ae == "READER"

    def query(self, caller: Caller, query: Query) -> Generator[Match | Refused | None, None, None]:
        self.queries.append(query)
        try:
            yield Match((Element(0x0020000D, "UI", "1.2.3"),))
            if self.trouble is not None:
                raise self.trouble
            while True:
                yield None
        finally:
            self.closed += 1


def associated(port: int, calling: str = "READER") -> Any:
    ae = AE(ae_title=calling)
    ae.add_requested_context(STUDY_ROOT_FIND)
    ae.add_requested_context("1.2.840.10008.1.1")
    return ae.associate(HERE, port)


def wanted() -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel, made.StudyInstanceUID = "STUDY", ""
    return made


def test_it_is_cancelled(listen: Listen) -> None:
    listener, guest = listen(Library())
    made = associated(listener.port)
    said = []
    for status, _ in made.send_c_find(wanted(), STUDY_ROOT_FIND):
        said.append(status.Status)
        made.send_c_cancel(1, query_model=STUDY_ROOT_FIND)
    assert said[-1] == 0xFE00
    assert made.send_c_echo().Status == 0
    made.release()
    assert guest.closed == 1  # type: ignore[attr-defined]


def test_it_ends_with_its_peer(listen: Listen) -> None:
    listener, guest = listen(Library())
    made = associated(listener.port)
    next(made.send_c_find(wanted(), STUDY_ROOT_FIND))
    made.abort()
    wait_for(lambda: guest.closed == 1)  # type: ignore[attr-defined]
    wait_for(lambda: listener.active() == 0)


def test_a_door_that_fails_is_a_failed_query_and_says_nothing_of_why(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    listener, _ = listen(Library(trouble=ValueError("Exampleova^Adalberta")))
    made = associated(listener.port)
    said = [status for status, _ in made.send_c_find(wanted(), STUDY_ROOT_FIND)]
    made.release()
    assert said[-1].Status == 0xC000
    assert "Exampleova" not in str(said[-1]) + caplog.text
    assert "ValueError" in caplog.text


def test_others_are_not_offered_it(listen: Listen) -> None:
    listener, guest = listen(Library())
    made = associated(listener.port, "OTHER")
    assert [one.abstract_syntax for one in made.accepted_contexts] == ["1.2.840.10008.1.1"]
    made.release()
    assert guest.queries == []  # type: ignore[attr-defined]

"""A peer that answers what nobody asked, what cannot be, or not to the end, is left with a sentence."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from proxy.network import conversing, messages
from proxy.network.contexts import PATIENT_ROOT_GET, STUDY_ROOT_GET
from proxy.network.fetching import COMPRESSED_FIRST, SYNTAXES, Fetching, GetNotOffered, Moving, _proposed
from proxy.network.finding import STUDY_ROOT_FIND
from proxy.network.inquiring import Inquiry
from proxy.network.peer import Lost, Peer
from tests import cast
from tests.network.people import Guest
from tests.retrieval.pull.pacs import FIND, HERE, MOVE, Pacs, serving

CT = "1.2.840.10008.5.1.4.1.1.2"
KEYS = {"QueryRetrieveLevel": "STUDY", "PatientID": cast.ADA.id, "StudyInstanceUID": ""}
Say = Callable[[Any], object]


def send(event: Any, control: int, data: bytes) -> None:
    for pdu in messages.fragments(event.context.context_id, control, data, 16384):
        event.assoc.dul.socket.send(pdu)


def answer(event: Any, data: bytes, message_id: int | None = None, status: int = 0xFF00) -> None:
    number = event.request.MessageID if message_id is None else message_id
    send(event, messages.COMMAND, messages.find_response(STUDY_ROOT_FIND, number, status))
    send(event, 0, data)


def asked(say: Say, patience: float = 60.0) -> list[Any]:
    with serving(Pacs([cast.ct()], before_finding=say)) as pacs:
        peer = Peer("PACS", HERE, pacs.port, dimse_timeout=patience)
        with closing(Inquiry(peer)) as inquiry:
            return list(inquiry.ask(KEYS))


def test_what_cannot_be_read_is_an_answer_without_values() -> None:
    found = asked(lambda event: answer(event, b"\xff" * 40))
    assert found[0] is None
    assert found[1] is not None and found[1]["PatientID"] == (cast.ADA.id,)


def test_an_answer_to_another_question_is_passed_over() -> None:
    assert len(asked(lambda event: answer(event, bytes(8), message_id=4711))) == 1


def unasked_store(event: Any) -> None:
    send(event, messages.COMMAND, messages.store_request(CT, "1.2.3", 9))
    send(event, 0, b"\0" * 100)


def too_long(event: Any) -> None:
    answer(event, b"\0" * 2000)


def without_status(event: Any) -> None:
    whole = messages.find_response(STUDY_ROOT_FIND, event.request.MessageID, 0xFF00)
    command = messages.parse_command(whole)
    assert command.values.pop(messages.STATUS)
    encoded = b"".join(messages._element(number, value) for number, value in command.values.items() if number)
    send(event, messages.COMMAND, messages._grouped(encoded))
    send(event, 0, bytes(8))


def hang_up(event: Any) -> None:
    event.assoc.dul.socket.close()
    time.sleep(0.3)


@pytest.mark.parametrize("say", [unasked_store, too_long, without_status, hang_up])
def test_a_peer_that_breaks_the_rules_is_left(say: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversing, "LONGEST_ANSWER", 1000)
    with pytest.raises(Lost) as lost:
        asked(say)
    assert str(lost.value) == conversing.NOT_STANDING
    assert cast.ADA.id not in str(lost.value)


def test_pending_that_tells_nothing_new_is_no_sign_of_life() -> None:
    def pending(event: Any) -> None:
        end = time.monotonic() + 120
        said = messages.retrieve_response(
            conversing.C_FIND_RSP, FIND, event.request.MessageID, 0xFF00, (None, 3, 0, 0), has_data=False
        )
        while time.monotonic() < end and not over.wait(0.05):
            send(event, messages.COMMAND, said)

    over, began = threading.Event(), time.monotonic()
    with pytest.raises(Lost, match="has not moved on for 1 seconds"):
        asked(pending, patience=1)
    over.set()
    assert time.monotonic() - began < 60


def test_who_stops_early_has_the_query_cancelled_and_may_ask_again() -> None:
    images = [cast.ct(cast.StudyPlan(number=number)) for number in range(1, 40)]
    with serving(Pacs(images)) as pacs, closing(Inquiry(Peer("PACS", HERE, pacs.port))) as inquiry:
        answers: Any = inquiry.ask(KEYS)
        assert next(answers) is not None
        answers.close()
        assert len(list(inquiry.ask(KEYS))) == len(images)


# --- C-GET ----------------------------------------------------------------------------------------


@pytest.fixture
def pacs() -> Iterator[Pacs]:
    with serving(Pacs([cast.ct(instance=number) for number in (1, 2, 3)])) as one:
        yield one


def test_what_is_given_goes_to_the_door_as_from_a_caller(pacs: Pacs) -> None:
    guest = Guest()
    with closing(Fetching(Peer("PACS", HERE, pacs.port), [CT], guest, "OURS")) as fetching:
        ended = fetching.fetch({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": cast.StudyPlan().uid})
    assert ended.why == ""
    assert ended.counts.completed == 3
    assert fetching.taken.stored == 3
    assert [bag.ended for bag in guest.bags] == ["finished"] * 3
    assert (guest.bags[0].caller.called_ae, guest.bags[0].caller.calling_ae) == ("OURS", "PACS")


def test_an_image_on_the_context_of_the_service_ends_the_association(pacs: Pacs) -> None:
    guest = Guest()
    pacs.before_asking = unasked_store
    with (
        closing(Fetching(Peer("PACS", HERE, pacs.port), [CT], guest, "OURS")) as fetching,
        pytest.raises(Lost),
    ):
        fetching.fetch({"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": cast.StudyPlan().uid})
    assert not guest.bags


def test_a_peer_without_c_get_says_so() -> None:
    with serving(Pacs([], services=(FIND, MOVE))) as pacs:
        peer = Peer("PACS", HERE, pacs.port)
        with pytest.raises(GetNotOffered):
            Fetching(peer, [CT], Guest(), "OURS")
    with serving(Pacs([], services=(FIND,))) as pacs, pytest.raises(Lost, match="does not move images"):
        Moving(Peer("PACS", HERE, pacs.port), "OURS")


@pytest.mark.parametrize("count", [1, 3, 37, 100, 126])
def test_every_class_is_proposed_in_no_more_contexts_than_there_are(count: int) -> None:
    contexts, roles = _proposed([f"1.2.{number}" for number in range(count)], SYNTAXES)
    assert [str(one.abstract_syntax) for one in contexts[:2]] == [STUDY_ROOT_GET, PATIENT_ROOT_GET]
    assert count < len(contexts) <= 128
    assert len({str(one.abstract_syntax) for one in contexts}) == count + 2
    assert len(roles) == count
    assert sorted(SYNTAXES) == sorted(COMPRESSED_FIRST) == sorted(set(SYNTAXES))


def test_a_peer_that_moves_in_silence_is_given_time_while_images_come(pacs: Pacs) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": cast.StudyPlan().uid}
    pacs.knows["PACS"] = pacs.port
    pacs.before_giving = lambda number: time.sleep(0.7 if number == 0 else 0.0)
    peer = Peer("PACS", HERE, pacs.port, dimse_timeout=0.3)
    signs: list[bool] = []

    def comes() -> bool:
        signs.append(True)
        return True

    with closing(Moving(peer, "PACS", comes)) as moving:
        assert moving.fetch(keys).counts.completed == 3
    assert signs
    over = threading.Event()

    def keeps_silent(number: int) -> None:
        over.wait(60)

    pacs.before_giving = keeps_silent
    with closing(Moving(peer, "PACS")) as moving, pytest.raises(Lost, match="has not moved on"):
        moving.fetch(keys)
    over.set()

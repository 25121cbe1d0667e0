"""Peers that break the rules, stop in the middle, or mean harm: each costs little and harms nobody else.

They are the counterparts of pynetdicom's own tests of its acceptor (abort, release, ARTIM, wrong PDUs).
"""

import struct
import time
from collections.abc import Callable
from typing import Any

import pytest

from proxy.network import messages
from proxy.network.door import Reply
from proxy.network.doorstep import FEWEST
from proxy.network.messages import COMMAND, LAST
from tests.network.conftest import Listen
from tests.network.people import Bag, Guest, run, wait_for
from tests.network.strangers import ABORT, CT, RELEASE_RP, RELEASE_RQ, Stranger, data, request, store_command

ECHO, STORE = 1, 3  # the context ids of `request()`
AC, RJ, P_DATA, RP, AA = 2, 3, 4, 6, 7


def everything_goes_on(port: int) -> None:
    """Another sender is served as if nothing had happened."""
    with Stranger(port) as other:
        assert other.associate()[0] == AC
        other.say(data(STORE, COMMAND | LAST, store_command()) + data(STORE, LAST, b"abcd"))
        assert other.status() == 0
        other.say(RELEASE_RQ)
        assert other.hear()[0] == RP


def test_a_store_is_answered_and_released(listen: Listen) -> None:
    listener, guest = listen()
    everything_goes_on(listener.port)
    assert guest.bags[0].data == b"abcd"


def test_two_stores_in_one_segment_are_answered_in_order(listen: Listen) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        one = data(STORE, COMMAND | LAST, store_command(1, sop_instance="1.2.1")) + data(STORE, LAST, b"one!")
        two = data(STORE, COMMAND | LAST, store_command(2, sop_instance="1.2.2")) + data(STORE, LAST, b"two!")
        stranger.say(one + two)
        assert [stranger.status(), stranger.status()] == [0, 0]
    assert [bag.data for bag in guest.bags] == [b"one!", b"two!"]


def test_bytes_that_come_one_by_one_are_understood(listen: Listen) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        message = (
            data(STORE, COMMAND | LAST, store_command()) + data(STORE, 0, b"ab") + data(STORE, LAST, b"cd")
        )
        for byte in message:
            stranger.say(bytes([byte]))
        assert stranger.status() == 0
    assert guest.bags[0].data == b"abcd"


def test_many_values_in_one_pdu_are_understood(listen: Listen) -> None:
    listener, guest = listen()
    values = [(COMMAND | LAST, store_command()), (0, b"ab"), (0, b""), (LAST, b"cd")]
    body = b"".join(struct.pack(">LBB", len(piece) + 2, STORE, control) + piece for control, piece in values)
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(struct.pack(">BxL", 4, len(body)) + body)
        assert stranger.status() == 0
    assert guest.bags[0].data == b"abcd"


@pytest.mark.parametrize("ending", ["abort", "hang up", "release"])
def test_an_end_in_the_middle_of_an_image_leaves_nothing(listen: Listen, ending: str) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(STORE, COMMAND | LAST, store_command()) + data(STORE, 0, b"half an im"))
        wait_for(lambda: bool(guest.bags) and guest.bags[0].data == b"half an im")
        stranger.say({"abort": ABORT, "hang up": b"", "release": RELEASE_RQ}[ending])
    wait_for(lambda: guest.bags[0].ended == "aborted")
    wait_for(lambda: listener.active() == 0)
    everything_goes_on(listener.port)


ELEMENT_FIELD = b"\x00\x00\x00\x01\x02\x00\x00\x00\x77\x77"
WRONG_IN_DATA: dict[str, bytes] = {
    "unknown PDU type": b"\x09\x00\x00\x00\x00\x04abcd",
    "second association request": request(),
    "association accept": b"\x02\x00\x00\x00\x00\x04abcd",
    "association reject": b"\x03\x00\x00\x00\x00\x04\x00\x01\x01\x01",
    "release response": RELEASE_RP,
    "release of the wrong length": b"\x05\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00",
    "abort of absurd length": b"\x07\x00\xff\xff\xff\xff",
    "P-DATA of absurd length": b"\x04\x00\xff\xff\xff\xff",
    "empty P-DATA": b"\x04\x00\x00\x00\x00\x00",
    "value longer than its PDU": b"\x04\x00\x00\x00\x00\x08\x00\x00\x00\xff\x03\x03ab",
    "value of no length": b"\x04\x00\x00\x00\x00\x06\x00\x00\x00\x00\x03\x03",
    "value that is cut off": b"\x04\x00\x00\x00\x00\x0a\x00\x00\x00\x04\x03\x01ab\x00\x00",
    "data set without command": data(STORE, LAST, b"abcd"),
    "data set in another context": data(STORE, COMMAND | LAST, store_command()) + data(ECHO, LAST, b"abcd"),
    "command in a data set": data(STORE, COMMAND | LAST, store_command()) * 2,
    "command that is no command": data(STORE, COMMAND | LAST, b"\x10\x00\x10\x00\x04\x00\x00\x00abcd"),
    "command that is cut off": data(STORE, COMMAND | LAST, store_command()[:-3]),
    "command without a message id": data(
        STORE,
        COMMAND | LAST,
        b"\x00\x00\x00\x01\x02\x00\x00\x00\x01\x00\x00\x00\x00\x08\x02\x00\x00\x00\x01\x00",
    ),
    "command that is silent about a data set": data(STORE, COMMAND | LAST, ELEMENT_FIELD),
    "unknown service": data(
        STORE, COMMAND | LAST, ELEMENT_FIELD + b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
    ),
    "endless command": data(STORE, COMMAND, b"a" * 16000) * 5,
}


@pytest.mark.parametrize("wrong", WRONG_IN_DATA)
def test_what_breaks_the_rules_is_aborted(listen: Listen, wrong: str) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        assert stranger.associate()[0] == AC
        stranger.say(WRONG_IN_DATA[wrong])
        assert stranger.hear()[0] == AA
        stranger.close()
    wait_for(lambda: listener.active() == 0)
    assert {bag.ended for bag in guest.bags} <= {"aborted"}
    everything_goes_on(listener.port)


WRONG_AT_FIRST: dict[str, bytes] = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "release request": RELEASE_RQ,
    "P-DATA": data(STORE, LAST, b"abcd"),
    "absurd length": b"\x01\x00\xff\xff\xff\xff",
    "no content": b"\x01\x00\x00\x00\x00\x04abcd",
    "junk of the right length": b"\x01\x00\x00\x00\x01\x00" + b"\xff" * 256,
}


@pytest.mark.parametrize("wrong", WRONG_AT_FIRST)
def test_what_is_no_association_request_is_aborted(listen: Listen, wrong: str) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.say(WRONG_AT_FIRST[wrong])
        assert stranger.hear()[0] == AA
    assert guest.callers == []
    everything_goes_on(listener.port)


def test_ten_thousand_contexts_are_not_read(listen: Listen) -> None:
    listener, guest = listen()
    whole = request()
    item = b"\x20\x00\x00\x2e\x01\x00\x00\x00\x30\x00\x00\x11" + b"1.2.840.10008.1.1" + b"\x40\x00\x00\x11"
    body = whole[6:74] + (item + b"1.2.840.10008.1.2") * 10_000 + whole[74:]
    with Stranger(listener.port) as stranger:
        used = time.process_time()
        stranger.say(struct.pack(">BxL", 1, len(body)) + body)
        assert stranger.hear()[0] == AA
        assert time.process_time() - used < 1.0
    assert guest.callers == []
    everything_goes_on(listener.port)


def test_who_says_nothing_is_hung_up_on(listen: Listen) -> None:
    """ARTIM, PS3.8 9.1.5: a connection without a request is closed without a word."""
    listener, _ = listen(acse_timeout=0.3)
    with Stranger(listener.port) as stranger:
        began = time.perf_counter()
        assert stranger.hung_up()
        assert time.perf_counter() - began > 0.2


def test_a_slow_loris_has_no_more_time_than_anybody(listen: Listen) -> None:
    listener, _ = listen(acse_timeout=1.5)
    whole = request()
    with Stranger(listener.port) as stranger, pytest.raises(OSError):
        for byte in whole:
            stranger.say(bytes([byte]))
            time.sleep(0.02)
    everything_goes_on(listener.port)


def test_silence_in_an_association_is_aborted(listen: Listen) -> None:
    listener, _ = listen(network_timeout=0.3)
    with Stranger(listener.port) as stranger:
        stranger.associate()
        assert stranger.hear()[0] == AA


def test_a_trickle_of_bytes_does_not_keep_an_association(listen: Listen) -> None:
    listener, guest = listen(network_timeout=0.4)
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(STORE, COMMAND | LAST, store_command()) + data(STORE, 0, b"a" * 400)[:100])
        with pytest.raises(OSError):
            for _ in range(200):
                stranger.say(b"a")
                time.sleep(0.02)
    wait_for(lambda: guest.bags[0].ended == "aborted")


def test_half_open_connections_meet_a_wall(listen: Listen) -> None:
    listener, _ = listen(max_associations=2)
    waiting = [Stranger(listener.port) for _ in range(FEWEST)]
    time.sleep(0.2)
    with Stranger(listener.port) as late:
        assert late.hung_up()
    for one in waiting:
        one.close()
    wait_for(lambda: run("echoscu", "-aec", "DICOMRCV", "127.0.0.1", listener.port).returncode == 0)


def test_one_association_too_many_hears_why(listen: Listen) -> None:
    listener, _ = listen(max_associations=1)
    with Stranger(listener.port) as first, Stranger(listener.port) as second:
        assert first.associate()[0] == AC
        assert second.associate() == (RJ, bytes([0, 2, 3, 2]))
        assert second.hung_up()
    wait_for(lambda: listener.active() == 0)
    everything_goes_on(listener.port)


def test_an_application_context_that_is_not_dicoms_is_rejected(listen: Listen) -> None:
    """PS3.7 A.2.1; pynetdicom by itself would let it in."""
    listener, guest = listen(max_associations=1)
    for _ in range(2):  # it takes no seat
        with Stranger(listener.port) as stranger:
            stranger.say(request().replace(b"1.2.840.10008.3.1.1.1", b"1.2.840.10008.3.1.1.2"))
            assert stranger.hear() == (RJ, bytes([0, 1, 1, 2]))
    assert guest.callers == []
    everything_goes_on(listener.port)


def test_another_version_of_the_protocol_is_rejected(listen: Listen) -> None:
    """PS3.8 9.3.2: bit 0 is version 1, and there is no other."""
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        whole = request()
        stranger.say(whole[:6] + b"\x00\x02" + whole[8:])
        assert stranger.hear() == (RJ, bytes([0, 1, 2, 2]))
    assert guest.callers == []


def test_a_door_that_fails_lets_nobody_in(listen: Listen, caplog: Any) -> None:
    class Failing(Guest):
        def admit(self, caller: Any) -> None:
            raise RuntimeError("Example^Ada")

    listener, _ = listen(Failing())
    with Stranger(listener.port) as stranger:
        assert stranger.associate() == (RJ, bytes([0, 2, 3, 1]))
    assert "Ada" not in caplog.text
    assert listener.active() == 0


def test_a_class_of_another_context_is_answered_0122(listen: Listen) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(ECHO, COMMAND | LAST, store_command()) + data(ECHO, LAST, b"abcd"))
        assert stranger.status() == 0x0122
        stranger.say(data(STORE, COMMAND | LAST, store_command(2)) + data(STORE, LAST, b"abcd"))
        assert stranger.status() == 0
    assert len(guest.bags) == 1


def test_a_message_in_a_context_nobody_negotiated_is_aborted(listen: Listen) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(99, COMMAND | LAST, store_command()) + data(99, LAST, b"abcd"))
        assert stranger.hear()[0] == AA
    assert guest.bags == []


def test_a_store_without_instance_or_data_set_is_not_understood(listen: Listen) -> None:
    listener, guest = listen()
    nameless = messages.store_request(CT, "", 1)
    bare = store_command(2).replace(
        b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x00", b"\x00\x00\x00\x08\x02\x00\x00\x00\x01\x01"
    )
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(STORE, COMMAND | LAST, nameless) + data(STORE, LAST, b"abcd"))
        assert stranger.status() == 0xC000
        stranger.say(data(STORE, COMMAND | LAST, bare))
        assert stranger.status() == 0xC000
    assert guest.bags == []


class FailsLate(Bag):
    def finish(self) -> Reply:
        raise OSError(28, "Example^Ada")


@pytest.mark.parametrize("broken", ["begin", "finish"])
def test_trouble_at_any_step_costs_one_image(listen: Listen, caplog: Any, broken: str) -> None:
    def refuse(*parts: Any) -> Any:
        raise LookupError("Example^Ada")

    makers: dict[str, Callable[..., Any]] = {"begin": refuse, "finish": FailsLate}
    guest = Guest(make=makers[broken])
    listener, _ = listen(guest)
    with Stranger(listener.port) as stranger:
        stranger.associate()
        for _ in range(2):
            stranger.say(data(STORE, COMMAND | LAST, store_command()) + data(STORE, LAST, b"abcd"))
            assert stranger.status() == 0x0110
    assert {bag.ended for bag in guest.bags} <= {"aborted"}
    assert "Ada" not in caplog.text


def test_stopping_lets_a_running_image_finish(listen: Listen) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(STORE, COMMAND | LAST, store_command()) + data(STORE, 0, b"ab"))
        wait_for(lambda: bool(guest.bags))
        ender = _in_thread(lambda: listener.stop(grace=60))
        stranger.say(data(STORE, LAST, b"cd"))
        assert stranger.status() == 0
        stranger.say(RELEASE_RQ)
        assert stranger.hear()[0] == RP
        stranger.close()
        ender.join(60)
        assert not ender.is_alive()


def test_stopping_aborts_what_does_not_finish(listen: Listen) -> None:
    listener, guest = listen()
    with Stranger(listener.port) as stranger:
        stranger.associate()
        stranger.say(data(STORE, COMMAND | LAST, store_command()) + data(STORE, 0, b"ab"))
        wait_for(lambda: bool(guest.bags))
        ender = _in_thread(lambda: listener.stop(grace=0.1))
        assert stranger.hear()[0] == AA
        stranger.close()
        ender.join(60)
    assert guest.bags[0].ended == "aborted"


def _in_thread(act: Callable[[], None]) -> Any:
    import threading

    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_nothing_stays_open_after_a_hundred_associations(listen: Listen) -> None:
    from pathlib import Path

    listener, _ = listen(max_associations=200)
    everything_goes_on(listener.port)
    wait_for(lambda: listener.active() == 0)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(100):
        with Stranger(listener.port) as stranger:
            stranger.associate()
            stranger.say([RELEASE_RQ, ABORT, b"", b"\x09"][number % 4])
    wait_for(lambda: len(list(Path("/proc/self/fd").iterdir())) <= before)

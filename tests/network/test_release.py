"""The end of an association that we asked for, whatever the other side does meanwhile (PS3.8 7.2, 9.2.3)."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.presentation import build_context

from proxy.network.contexts import PLAIN_SYNTAXES, VERIFICATION
from proxy.network.line import Line
from proxy.network.peer import Peer
from tests.network.strangers import ABORT, RELEASE_RP, RELEASE_RQ, Stranger

HERE = "127.0.0.1"
RELEASE, RELEASED, ABORTED, GONE = 5, 6, 7, 0


class Server(Stranger):
    """The other side, on the connection that we opened; it speaks bytes, in whatever order."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(60)

    def accept(self) -> None:
        kind, body = self.hear()
        assert kind == 1
        asked = A_ASSOCIATE_RQ()
        asked.decode(b"\x01\x00" + len(body).to_bytes(4, "big") + body)
        primitive = asked.to_primitive()
        primitive.result, primitive.result_source = 0, 1
        contexts = primitive.presentation_context_definition_list
        for context in contexts:
            context.transfer_syntax, context.result = context.transfer_syntax[:1], 0
        primitive.presentation_context_definition_results_list = contexts
        answer = A_ASSOCIATE_AC()
        answer.from_primitive(primitive)
        self.say(answer.encode())


@dataclass
class Heard:
    kinds: list[int] = field(default_factory=list)


@contextmanager
def standing(act: Callable[[Server, Heard], None], patience: float) -> Iterator[tuple[Line, Heard]]:
    """An association that stands; once we ask for its release, the other side acts."""
    heard = Heard()

    def serve() -> None:
        connection, _ = door.accept()
        server = Server(connection)
        with server:
            server.accept()
            heard.kinds.append(server.hear()[0])
            act(server, heard)

    with socket.create_server((HERE, 0)) as door:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        peer = Peer(
            "ARCHIVE",
            HERE,
            door.getsockname()[1],
            acse_timeout=patience,
            dimse_timeout=60,
            network_timeout=60,
        )
        yield Line(peer, [build_context(VERIFICATION, list(PLAIN_SYNTAXES))]), heard
        thread.join(60)
        assert not thread.is_alive()


def ends(server: Server, heard: Heard) -> None:
    heard.kinds.append(server.hear()[0])


def in_order(server: Server, heard: Heard) -> None:
    server.say(RELEASE_RP)
    ends(server, heard)


def asks_too(server: Server, heard: Heard) -> None:
    """Both ask at once: we, who asked for the association, answer first."""
    server.say(RELEASE_RQ)
    ends(server, heard)
    server.say(RELEASE_RP)
    ends(server, heard)


def asks_too_and_never_answers(server: Server, heard: Heard) -> None:
    server.say(RELEASE_RQ)
    ends(server, heard)
    ends(server, heard)


def says_nothing(server: Server, heard: Heard) -> None:
    ends(server, heard)


def aborts(server: Server, heard: Heard) -> None:
    server.say(ABORT)
    ends(server, heard)


def goes_away(server: Server, heard: Heard) -> None:
    server.close()


@pytest.mark.parametrize(
    ("act", "kinds", "patience"),
    [
        (in_order, [RELEASE, GONE], 60),
        (asks_too, [RELEASE, RELEASED, GONE], 60),
        (asks_too_and_never_answers, [RELEASE, RELEASED, ABORTED], 1),
        (says_nothing, [RELEASE, ABORTED], 1),
        (aborts, [RELEASE, GONE], 60),
        (goes_away, [RELEASE], 60),
    ],
)
def test_an_association_ends_in_time_and_by_the_rules(
    act: Callable[[Server, Heard], None], kinds: list[int], patience: float
) -> None:
    with standing(act, patience) as (line, heard):
        began = time.monotonic()
        line.close()
        assert time.monotonic() - began < 50
    assert heard.kinds == kinds

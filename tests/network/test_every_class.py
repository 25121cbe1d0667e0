"""P58 to P60: every storage class and transfer syntax of pynetdicom, negotiated for real, and its bytes untouched."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.presentation import PresentationContext

from proxy.network import messages
from proxy.network.contexts import (
    ALL_CLASSES,
    DEFAULT_CLASSES,
    MEDIA_STORAGE_DIRECTORY,
    MOST_CONTEXTS,
    RAW_DATA,
    TRANSFER_SYNTAXES,
    proposals,
)
from tests.network.conftest import Listen

HERE = "127.0.0.1"
PRIVATE = "1.2.826.0.1.3680043.8.498.4711"


def groups(uids: Iterable[str]) -> Iterator[list[str]]:
    rest = list(uids)
    while rest:
        yield rest[:MOST_CONTEXTS]
        rest = rest[MOST_CONTEXTS:]


def accepted(port: int, contexts: list[PresentationContext]) -> set[tuple[str, str]]:
    ae = AE(ae_title="CT_EAST")
    association = ae.associate(HERE, port, contexts=contexts)
    took = {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in association.accepted_contexts}
    association.abort()
    return took


def taken(port: int, uids: Iterable[str]) -> set[str]:
    found = [accepted(port, [_plain(uid) for uid in group]) for group in groups(uids)]
    return {uid for took in found for uid, _ in took}


def _plain(uid: str) -> Any:
    return proposals([(uid, TRANSFER_SYNTAXES[0])])[0]


def test_all_of_them_where_a_site_says_so(listen: Listen) -> None:
    listener, _ = listen(accepted=("all",))
    assert len(ALL_CLASSES) > 150
    assert taken(listener.port, ALL_CLASSES) == set(ALL_CLASSES)


def test_by_default_what_this_is_made_for_and_nothing_else(listen: Listen) -> None:
    listener, _ = listen()
    assert taken(listener.port, [*ALL_CLASSES, RAW_DATA, MEDIA_STORAGE_DIRECTORY, PRIVATE]) == set(
        DEFAULT_CLASSES
    )


def test_raw_data_and_directories_never(listen: Listen) -> None:
    listener, _ = listen(accepted=("all", RAW_DATA, MEDIA_STORAGE_DIRECTORY, PRIVATE))
    assert taken(listener.port, [RAW_DATA, MEDIA_STORAGE_DIRECTORY, PRIVATE]) == {PRIVATE}


def test_every_transfer_syntax_of_a_class(listen: Listen) -> None:
    listener, _ = listen()
    pairs = [(DEFAULT_CLASSES[0], syntax) for syntax in TRANSFER_SYNTAXES]
    assert len(pairs) > 40
    assert set(pairs) <= accepted(listener.port, proposals(pairs))


@pytest.mark.parametrize("syntax", TRANSFER_SYNTAXES)
def test_what_is_sent_reaches_the_sink_byte_for_byte_in_every_syntax(listen: Listen, syntax: str) -> None:
    """Bytes are not looked at on the way: they need not even be what the syntax says."""
    listener, guest = listen()
    ae = AE(ae_title="CT_EAST")
    association = ae.associate(HERE, listener.port, contexts=proposals([(DEFAULT_CLASSES[0], syntax)])[:1])
    [context] = association.accepted_contexts
    payload = bytes(range(256)) * 300
    command = messages.store_request(DEFAULT_CLASSES[0], "1.2.3.4", 1)
    wire = association.dul.socket
    for control, content in ((messages.COMMAND, command), (0, payload)):
        for pdu in messages.fragments(context.context_id, control, content, 16_384):
            wire.send(pdu)
    for _ in range(200):
        if guest.bags and guest.bags[0].ended:
            break
        association.dul.receive_pdu(wait=True, timeout=0.02)
    association.abort()
    [bag] = guest.bags
    assert bag.command.transfer_syntax == syntax
    assert bag.data == payload

"""Ask a peer for an association: what pynetdicom's `AE.associate` does, around our reactor and our socket."""

from collections.abc import Callable, Sequence
from typing import Any

from pynetdicom.transport import AddressInformation

from proxy.network.implementation import entity
from proxy.network.inbox import Inbox
from proxy.network.peer import Lost, Peer, Rejected
from proxy.network.quirks import NO_EXTENDED
from proxy.network.reactor import Association
from proxy.network.tls import TlsUnusable, client_context
from proxy.network.wire import Wire

OpenMessage = Callable[..., Any]


def opened(
    peer: Peer, contexts: Sequence[Any], open_message: OpenMessage | None = None, extended: Sequence[Any] = ()
) -> Association:
    """An association that the peer has taken, perhaps without any of the contexts. Raises Lost.

    `open_message` says where a message goes (`inbox.Inbox`); by default pynetdicom's services get them.
    """
    try:
        association = _association(peer, contexts, open_message)
    except (OSError, TlsUnusable) as error:
        raise Lost(f"{_where(peer)} cannot be reached: {_told(error)}") from None
    if NO_EXTENDED not in peer.quirks:
        for item in extended:
            association.requestor.add_negotiation_item(item)
    association.request()
    if not association.is_established and not _took_nothing(association):
        lost = _why_not(peer, association, association.dul.socket.failure)
        association.dul.dispose()
        raise lost
    return association


def _took_nothing(association: Association) -> bool:
    """The peer let us in but accepted no context: that is an answer about everything that was proposed."""
    answer = association.acceptor.primitive
    return answer is not None and answer.result == 0 and not association.accepted_contexts


def _why_not(peer: Peer, association: Association, failure: str) -> Lost:
    if failure:
        return Lost(f"{_where(peer)} cannot be reached: {failure}.")
    if not association.is_rejected and peer.tls is not None:
        return Lost(f"{_where(peer)} hung up after the TLS handshake: does it trust our certificate?")
    if not association.is_rejected:
        return Lost(f"{_where(peer)} did not answer the association request: check its address and log.")
    answer = association.acceptor.primitive
    numbers = answer.result, answer.result_source, answer.diagnostic
    said = "/".join(map(str, numbers))
    return Rejected(f"{_where(peer)} rejected the association ({said}: {answer.reason_str}).", numbers)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, TlsUnusable) else f"{type(error).__name__}."


def _where(peer: Peer) -> str:
    return f"{peer.ae_title} at {peer.host}:{peer.port}"


def _association(peer: Peer, contexts: Sequence[Any], open_message: OpenMessage | None) -> Association:
    ae = entity(peer.calling_ae)
    ae.maximum_pdu_size = peer.max_pdu
    ae.acse_timeout, ae.dimse_timeout = peer.acse_timeout, peer.dimse_timeout
    ae.network_timeout, ae.connection_timeout = peer.network_timeout, peer.connect_timeout
    remote = AddressInformation.from_tuple((peer.host, peer.port))
    local = AddressInformation.from_tuple(("", 0) if remote.is_ipv4 else ("::0", 0))
    association = Association(ae, "requestor")
    wire = Wire(association, peer.network_timeout, address=local)
    wire.tls_args = (client_context(peer.tls), peer.host) if peer.tls is not None else None
    association.set_socket(wire)
    association.inbox = Inbox(open_message or association.gather)
    association.acceptor.ae_title, association.acceptor.address_info = peer.ae_title, remote
    ours = association.requestor
    ours.address_info, ours.ae_title, ours.maximum_length = local, peer.calling_ae, peer.max_pdu
    ours.implementation_class_uid = ae.implementation_class_uid
    ours.implementation_version_name = ae.implementation_version_name
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    ours.requested_contexts = list(contexts)
    return association

"""Deliver to a DICOM peer by C-STORE.

A reason is our own sentence for the peer's status: a peer's own comment may hold a name.
"""

from collections.abc import Callable, Sequence

from proxy.deliveries.outcomes import Outcome, Result, Verdict, fold
from proxy.deliveries.parcel import Item, Parcel, Wire
from proxy.network import scu

DUPLICATE = 0x0111
GONE = "Its stored file is missing; let doctor compare index and disk."


def deliver(
    parcel: Parcel, acknowledge: Callable[[Sequence[int]], None], keep_going: Callable[[], bool]
) -> Outcome:
    if not isinstance(parcel.to, Wire):
        raise TypeError("The DIMSE agent delivers to DICOM peers only.")
    results = [
        Result(item.ordinal, Verdict.REFUSED, GONE) for item in parcel.items if not item.path.is_file()
    ]
    gone = {result.ordinal for result in results}
    outgoing = [_outgoing(item) for item in parcel.items if item.ordinal not in gone]

    def note(answer: scu.SendResult) -> None:
        result = _result(answer, parcel.again)
        results.append(result)
        if result.verdict is Verdict.STORED:
            acknowledge([answer.ordinal])

    if outgoing:
        scu.send(_peer(parcel.to), outgoing, note, keep_going)
    return fold(parcel.ordinals, results, interrupted=not keep_going())


def _result(answer: scu.SendResult, again: bool) -> Result:
    """A peer that takes nothing twice says so of what an interrupted attempt had brought: that is stored."""
    if again and answer.status == DUPLICATE:
        return Result(answer.ordinal, Verdict.STORED)
    return Result(answer.ordinal, Verdict(answer.verdict), answer.reason)


def _peer(wire: Wire) -> scu.Peer:
    return scu.Peer(
        ae_title=wire.ae_title,
        host=wire.host,
        port=wire.port,
        calling_ae=wire.calling_ae,
        max_pdu=wire.max_pdu,
        acse_timeout=wire.acse_timeout,
        dimse_timeout=wire.dimse_timeout,
        network_timeout=wire.network_timeout,
        connect_timeout=wire.connect_timeout,
    )


def _outgoing(item: Item) -> scu.Outgoing:
    return scu.Outgoing(
        ordinal=item.ordinal,
        sop_class_uid=item.sop_class,
        sop_instance_uid=item.uid,
        transfer_syntax=item.transfer_syntax,
        path=item.path,
    )

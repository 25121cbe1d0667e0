"""Deliver to a DICOM peer by C-STORE.

A reason is our own sentence for the peer's status: a peer's own comment may hold a name.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from proxy.deliveries.outcomes import Outcome, Result, TryLater, Verdict, fold
from proxy.deliveries.parcel import Address, Item, Parcel, Wire
from proxy.network import scu

DUPLICATE = 0x0111
PROBE_PATIENCE = 20.0  # seconds
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
        scu.send(parcel.to.peer, outgoing, note, keep_going, parcel.to.associations)
    return fold(parcel.ordinals, results, interrupted=not keep_going())


def probe(to: Address) -> TryLater | None:
    """By C-ECHO, with less patience than a delivery has."""
    if not isinstance(to, Wire):
        raise TypeError("The DIMSE agent probes DICOM peers only.")
    names = ("acse_timeout", "dimse_timeout", "network_timeout", "connect_timeout")
    waits = {name: min(getattr(to.peer, name), PROBE_PATIENCE) for name in names}
    why = scu.probe(replace(to.peer, **waits))
    return TryLater(why) if why else None


def _result(answer: scu.SendResult, again: bool) -> Result:
    """A peer that takes nothing twice says so of what an interrupted attempt had brought: that is stored."""
    if again and answer.status == DUPLICATE:
        return Result(answer.ordinal, Verdict.STORED)
    return Result(answer.ordinal, Verdict(answer.verdict), answer.reason)


def _outgoing(item: Item) -> scu.Outgoing:
    return scu.Outgoing(
        ordinal=item.ordinal,
        sop_class_uid=item.sop_class,
        sop_instance_uid=item.uid,
        transfer_syntax=item.transfer_syntax,
        path=item.path,
        restore=item.restore,
    )

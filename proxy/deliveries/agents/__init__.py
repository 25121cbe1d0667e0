"""One agent for each kind of destination. To add one, copy its nearest sibling and change what differs.

An agent gets a `Parcel` of plain values and returns an `Outcome`. It imports no models. It calls
`acknowledge` as soon as the destination has an image for good, and stops between two images when
`keep_going` says no.

Its `probe` asks, without leaving anything there, whether a delivery could get through: why not, or nothing.
"""

from collections.abc import Callable, Mapping, Sequence

from proxy.deliveries.agents import backend, dicomweb, dimse, folder
from proxy.deliveries.outcomes import Outcome, TryLater
from proxy.deliveries.parcel import Address, Parcel

Acknowledge = Callable[[Sequence[int]], None]
KeepGoing = Callable[[], bool]
Agent = Callable[[Parcel, Acknowledge, KeepGoing], Outcome]
Probe = Callable[[Address], TryLater | None]

AGENTS: Mapping[str, Agent] = {
    "backend": backend.deliver,
    "dimse": dimse.deliver,
    "dicomweb": dicomweb.deliver,
    "folder": folder.deliver,
}
PROBES: Mapping[str, Probe] = {
    "backend": backend.probe,
    "dimse": dimse.probe,
    "dicomweb": dicomweb.probe,
    "folder": folder.probe,
}

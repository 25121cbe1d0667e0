"""One agent for each kind of destination. To add one, copy its nearest sibling and change what differs.

An agent gets a `Parcel` of plain values and returns an `Outcome`. It imports no models. It calls
`acknowledge` as soon as the destination has an image for good, and stops between two images when
`keep_going` says no.
"""

from collections.abc import Callable, Mapping, Sequence

from proxy.deliveries.agents import backend, dicomweb, dimse, folder
from proxy.deliveries.outcomes import Outcome
from proxy.deliveries.parcel import Parcel

Acknowledge = Callable[[Sequence[int]], None]
KeepGoing = Callable[[], bool]
Agent = Callable[[Parcel, Acknowledge, KeepGoing], Outcome]

AGENTS: Mapping[str, Agent] = {
    "backend": backend.deliver,
    "dimse": dimse.deliver,
    "dicomweb": dicomweb.deliver,
    "folder": folder.deliver,
}

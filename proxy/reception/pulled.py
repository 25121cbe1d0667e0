"""The door for what we asked a node for: it goes the way of what comes to the listener."""

import time
from dataclasses import dataclass

from proxy.network.door import Caller, Rejection, Sink, StoreCommand
from proxy.reception.committer import Committer
from proxy.reception.sink import Receiving
from proxy.reception.storing import Commit, Written
from proxy.routing.match import SnapshotCache


@dataclass(frozen=True, slots=True)
class Pulled:
    """We opened the association and know whom we called: the node needs no right to store, and proves nothing."""

    committer: Committer[Commit, Written]
    cache: SnapshotCache
    node_id: int

    def admit(self, caller: Caller) -> Rejection | None:
        """Nobody calls here."""
        return None

    def begin(self, caller: Caller, command: StoreCommand) -> Sink:
        table = self.cache.get(time.monotonic())
        node = next((one for one in table.nodes.get(caller.calling_ae, ()) if one.id == self.node_id), None)
        route = table.route_for(caller.called_ae, caller.calling_ae)
        return Receiving(self.committer, route if node is not None else None, node, command)

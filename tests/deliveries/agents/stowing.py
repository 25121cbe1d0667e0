"""Deliver a parcel by STOW-RS; what a peer gossips may stand in no reason."""

from pathlib import Path

from proxy.deliveries.addresses import Web
from proxy.deliveries.agents import dicomweb
from proxy.deliveries.agents.web.line import Patience
from proxy.deliveries.outcomes import Delivered, Outcome, Refused, TryLater
from proxy.deliveries.parcel import Parcel
from tests.backend.faults import GOSSIP
from tests.deliveries.agents.parcels import Ear, items_in, parcel_of

CALM = Patience(connect=20.0, sending=20.0, silence=20.0, answer=40.0)
QUICK = Patience(connect=20.0, sending=1.0, silence=1.0, answer=2.0)  # for who is never on time


def parcel_to(url: str, folder: Path, count: int = 3) -> Parcel:
    return parcel_of(items_in(folder / "store", count), Web(url))


def deliver(parcel: Parcel, patience: Patience = CALM) -> tuple[Outcome, list[int]]:
    ear = Ear()
    outcome = dicomweb.deliver(parcel, ear.acknowledge, ear.keep_going, patience)
    if not isinstance(outcome, Delivered):
        assert GOSSIP.decode() not in outcome.reason
    return outcome, sorted(ear.heard)


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, TryLater | Refused)
    return outcome.reason

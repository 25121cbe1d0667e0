"""Deliveries that go out restored (`DICOM_ANONYMIZE_PATIENTS=False`).

On disk everything stays pseudonymous and sealed. What makes originals of it comes down from `pipeline` as a function:
nothing in this room can name the vault. Without that function nothing leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Never

from proxy.deliveries.models import Delivery
from proxy.network.giving import Restored
from proxy.network.scu import Unmade
from proxy.routing.models import Destination

Make = Callable[[str, str, Path], Restored]
"""An image's pseudonymous UID, transfer syntax and file, to what was sent to us. Raises Unmade, as do its pieces."""
Restoring = Callable[[int, int, str, Sequence[str]], Make]
"""Node, project, pseudonym and the images' UIDs, to what makes them. Raises Unmade: this node may not have them."""
Naming = Callable[[int, int, str, Sequence[str]], Mapping[str, str]]
"""The same, to the original of each UID: a destination that got originals is asked about those. Raises Unmade."""
OurNames = Callable[[int, Sequence[str]], Mapping[str, str]]
"""Project and original UIDs, to all that they may be called here, and which original each name is of."""

NO_NODE = (
    "Only restored images leave (DICOM_ANONYMIZE_PATIENTS is off), and only to DICOM nodes with the identified view:"
    " drop this delivery, or set it to True and retry."
)
NO_WAY = (
    "Only restored images leave (DICOM_ANONYMIZE_PATIENTS is off), and this process has nothing to make them with:"
    " let `work` deliver."
)


def nobody(node_id: int, project_id: int, patient: str, uids: Sequence[str]) -> Never:
    raise Unmade(NO_WAY)


def as_they_are(project_id: int, uids: Sequence[str]) -> Mapping[str, str]:
    return {uid: uid for uid in uids}


@dataclass(frozen=True, slots=True)
class Originals:
    """The way to originals, as `pipeline` hands it down."""

    restoring: Restoring = nobody
    naming: Naming = nobody
    our_names: OurNames = as_they_are


NO_ORIGINALS = Originals()


def objection(destination: Destination) -> str:
    """Why no original can go there, whoever it is; nothing if one may, should its node have the identified view."""
    return NO_NODE if destination.kind != Destination.DIMSE or destination.node_id is None else ""


def maker(delivery: Delivery, uids: Sequence[str], restoring: Restoring) -> Make:
    """Raises Unmade."""
    destination, study = delivery.destination, delivery.revision.study
    if why := objection(destination):
        raise Unmade(why)
    return restoring(destination.node_id or 0, study.project_id, study.patient, uids)

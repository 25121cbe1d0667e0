"""Deliveries that go out restored (`DICOM_ANONYMIZE_PATIENTS=False`).

On disk everything stays pseudonymous and sealed. What makes originals of it comes down from `pipeline` as a function:
nothing in this room can name the vault. Without that function nothing leaves.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from proxy.deliveries.models import Delivery
from proxy.network.giving import Restored
from proxy.network.scu import Unmade
from proxy.routing.models import Destination

Make = Callable[[str, str, Path], Restored]
"""An image's pseudonymous UID, transfer syntax and file, to what was sent to us. Raises Unmade, as do its pieces."""
Restoring = Callable[[int, int, str, Sequence[str]], Make]
"""Node, project, pseudonym and the images' UIDs, to what makes them. Raises Unmade: this node may not have them."""

NO_NODE = (
    "Only restored images leave (DICOM_ANONYMIZE_PATIENTS=False), and only to DICOM nodes with the identified view:"
    " drop this delivery, or set it to True and retry."
)
NO_WAY = (
    "Only restored images leave (DICOM_ANONYMIZE_PATIENTS=False), and this process has nothing to make them with:"
    " let `work` deliver."
)
NO_COMMITMENT = (
    "Commitment is not asked for restored images (DICOM_ANONYMIZE_PATIENTS=False): set `commitment: false` for this"
    " destination, then retry."
)


def nobody(node_id: int, project_id: int, patient: str, uids: Sequence[str]) -> Make:
    raise Unmade(NO_WAY)


def objection(destination: Destination) -> str:
    """Why no original can go there, whoever it is; nothing if one may, should its node have the identified view."""
    if destination.kind != Destination.DIMSE or destination.node_id is None:
        return NO_NODE
    return NO_COMMITMENT if destination.commitment else ""


def maker(delivery: Delivery, uids: Sequence[str], restoring: Restoring) -> Make:
    """Raises Unmade."""
    destination, study = delivery.destination, delivery.revision.study
    if why := objection(destination):
        raise Unmade(why)
    return restoring(destination.node_id or 0, study.project_id, study.patient, uids)

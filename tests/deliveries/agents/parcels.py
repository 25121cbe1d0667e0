"""Parcels of plain files: agents need no database."""

from collections.abc import Sequence
from pathlib import Path

from proxy.deliveries.addresses import Platform, Web
from proxy.deliveries.parcel import Item, Parcel, Shelf, Wire

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
KINDS: dict[type, str] = {Shelf: "folder", Wire: "dimse", Web: "dicomweb", Platform: "backend"}
PATIENT, STUDY, SERIES = "ANON-ABCDEFGHIJKLMNOP", "2.25.10", "2.25.11"


def items_in(folder: Path, count: int) -> tuple[Item, ...]:
    folder.mkdir(exist_ok=True)
    return tuple(_item(folder, ordinal) for ordinal in range(count))


def _item(folder: Path, ordinal: int) -> Item:
    path = folder / f"{ordinal}.dcm"
    path.write_bytes(f"image {ordinal}".encode() * 100)
    return Item(ordinal, CT, f"2.25.12{ordinal}", EXPLICIT, path, SERIES)


def parcel_of(items: tuple[Item, ...], to: Shelf | Wire | Web | Platform, *, again: bool = False) -> Parcel:
    return Parcel(
        delivery_id=1,
        destination="outbox",
        kind=KINDS[type(to)],
        to=to,
        patient=PATIENT,
        study_uid=STUDY,
        revision=2,
        total=len(items),
        again=again,
        items=items,
        description="CT Kopf mit KM ü",
    )


class Ear:
    """Listens to acknowledgements, and says for how many images an agent may go on."""

    def __init__(self, turns: int = 1_000_000) -> None:
        self.heard: list[int] = []
        self._turns = turns

    def acknowledge(self, ordinals: Sequence[int]) -> None:
        self.heard.extend(ordinals)

    def keep_going(self) -> bool:
        self._turns -= 1
        return self._turns >= 0

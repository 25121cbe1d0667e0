"""What an agent is handed: plain values, so that no agent can reach the database or name the vault."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from proxy.deliveries.addresses import Platform, Web
from proxy.network.giving import Restored
from proxy.network.scu import Peer
from proxy.storage import templates
from proxy.storage.templates import Template

IMAGE = templates.parse(templates.IMAGE)
STUDY = templates.parse(templates.STUDY)


@dataclass(frozen=True, slots=True)
class Item:
    """One clean image on our disk. `ordinal` is its place in the revision, and its bit in the progress.

    `restore`, where there is one, makes what goes out in its place; an agent that cannot use it sends nothing.
    """

    ordinal: int
    sop_class: str
    uid: str
    transfer_syntax: str
    path: Path
    series_uid: str
    series_number: str = ""  # as the clean index has them
    modality: str = ""
    restore: Callable[[], Restored] | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """A DICOM peer, how many associations may be open to it at once, and whether it is to commit to what it gets."""

    peer: Peer
    associations: int = 1
    commitment: bool = False


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder to write to. `make` is said for one below our own, never for what may be an absent mount. The template
    names its images; with `as_zip` it names the ZIPs, in which images have the names of IMAGE."""

    path: Path
    make: bool
    as_zip: bool
    template: Template | None = None

    @property
    def names(self) -> Template:
        return self.template or (STUDY if self.as_zip else IMAGE)


Address = Wire | Shelf | Web | Platform


@dataclass(frozen=True, slots=True)
class Parcel:
    """`items` are those the destination has not acknowledged yet; `total` counts the whole revision.

    `again`: an earlier attempt may have brought some of the items there without our hearing of it.
    """

    delivery_id: int
    destination: str
    kind: str
    to: Address
    patient: str
    study_uid: str
    revision: int
    total: int
    again: bool
    items: tuple[Item, ...]
    description: str = ""  # of the study, as the clean index has it
    project: str = ""

    @property
    def goes_as_a_whole(self) -> bool:
        """A ZIP: half of it is nothing."""
        return isinstance(self.to, Platform) or (isinstance(self.to, Shelf) and self.to.as_zip)

    @property
    def ordinals(self) -> frozenset[int]:
        return frozenset(item.ordinal for item in self.items)

"""What the demonstration sends: a CT and an MR study from pydicom-data, a PET series of our own."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from django.core.management.base import CommandError
from pydicom import dcmread

from proxy.management.demo import pet
from proxy.network.scu import Outgoing

CT = ("693_UNCR.dcm", "693_UNCI.dcm")
MR = ("MR2_UNCR.dcm", "MR2_J2KR.dcm")


@dataclass(frozen=True, slots=True)
class Sent:
    """One study as its scanner sends it; the calling AE decides the project."""

    label: str
    calling_ae: str
    project: str
    files: tuple[Path, ...]

    def outgoing(self) -> list[Outgoing]:
        return [_outgoing(ordinal, path) for ordinal, path in enumerate(self.files)]


def all_studies(scratch: Path) -> tuple[Sent, ...]:
    return (
        Sent("CT", "CT_EAST", "default", _samples(CT)),
        Sent("MR", "MR_EAST", "default", _samples(MR)),
        Sent("PET", "PET_EAST", "research", tuple(pet.write(scratch))),
    )


def _samples(names: tuple[str, ...]) -> tuple[Path, ...]:
    spec = find_spec("data_store")
    if spec is None or spec.origin is None:
        raise CommandError("The sample images (pydicom-data) are not installed here: run make install.")
    return tuple(Path(spec.origin).parent / "data" / name for name in names)


def _outgoing(ordinal: int, path: Path) -> Outgoing:
    ds = dcmread(path, specific_tags=["SOPClassUID", "SOPInstanceUID"], stop_before_pixels=True)
    return Outgoing(
        ordinal, str(ds.SOPClassUID), str(ds.SOPInstanceUID), str(ds.file_meta.TransferSyntaxUID), path
    )

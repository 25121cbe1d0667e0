"""Hand an image to reception as the listener would, without a network."""

from io import BytesIO
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian

from proxy.deid import split
from proxy.network.door import Reply, StoreCommand
from proxy.reception.held import Direct
from proxy.reception.image import Commits
from proxy.reception.sink import Receiving
from proxy.routing.match import NodeFacts, RouteFacts

PIECE = 4096


def encode(image: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The encoded data set alone, as it goes over the wire."""
    image.file_meta.TransferSyntaxUID = UID(syntax)
    out = BytesIO()
    dcmwrite(out, image, enforce_file_format=True)
    return bytes(split(out.getvalue()).dataset)


def command_for(image: Dataset, syntax: str = ExplicitVRLittleEndian) -> StoreCommand:
    uid = str(image.get("SOPInstanceUID", "1.2.3"))
    return StoreCommand(str(image.SOPClassUID), uid, str(syntax), 1, None, None)


def receive(
    route: RouteFacts | None,
    data: bytes,
    command: StoreCommand,
    *,
    node: NodeFacts | None = None,
    commits: Commits | None = None,
) -> Reply:
    sink = Receiving(commits or Direct(), route, node, command)
    for at in range(0, len(data), PIECE):
        sink.feed(memoryview(data)[at : at + PIECE])
    return sink.finish()


def send(route: RouteFacts, image: Dataset, syntax: str = ExplicitVRLittleEndian) -> int:
    return receive(route, encode(image, syntax), command_for(image, syntax)).status


def files(folder: Path) -> list[str]:
    """Everything on disk but empty folders."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

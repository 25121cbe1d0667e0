"""The archive of one delivery: a ZIP of its images and a manifest, made once and used again.

It is written beside its place and renamed when it is whole and durable, so what stands in its place was whole once.
Before it is used again it is read through: every member by its checksum, and the manifest against what is to be
sent. One that is torn, or made of other images, is made again; the same images make the same bytes.

The manifest (`manifest.json`, the last member, because digests are known only then) names every file with its UIDs,
size and SHA-256. All of it is pseudonymous.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from proxy.deliveries.agents import beside, zipping
from proxy.deliveries.agents.folder import FULL, place_of
from proxy.deliveries.outcomes import INTERRUPTED, Refused, TryLater
from proxy.deliveries.parcel import Item, Parcel
from proxy.storage import space

MANIFEST, FORMAT = "manifest.json", "postern-archive-1"
LARGEST_MANIFEST = 256 << 20
NO_NAME = Refused("A pseudonym or UID of it is no safe file name; no archive was made.")
GONE = Refused("The archive was not made: a stored file cannot be read; let doctor compare index and disk.")
NO_ROOM = TryLater(
    "There is no room for the archive: make some where ARCHIVE_DIR lies (DISK_WATERMARK stays free).",
    rests=False,
)
NOT_WRITTEN = TryLater("ARCHIVE_DIR cannot be written; check its permissions and its disk.", rests=False)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive, as the manifest names it. `bytes` and `sha256` are those of the DICOM file."""

    name: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    bytes: int
    sha256: str


def path_in(archives: Path, delivery_id: int) -> Path:
    return archives / f"delivery-{delivery_id}.zip"


def ready(
    parcel: Parcel, archives: Path, room: int, keep_going: Callable[[], bool]
) -> Path | TryLater | Refused:
    """The parcel's archive, whole and durable; made unless it is there. `room`: bytes that must stay free."""
    path = path_in(archives, parcel.delivery_id)
    names = [place_of(parcel, item) for item in parcel.items]
    if None in names:
        return NO_NAME
    try:
        if not is_intact(path, parcel, keep_going):
            return _make(parcel, path, room, keep_going)
    except zipping.StoppedError:
        return INTERRUPTED
    except zipping.SourceError:
        return GONE
    except OSError as trouble:
        return NO_ROOM if trouble.errno in FULL else NOT_WRITTEN
    return path


def _make(parcel: Parcel, path: Path, room: int, keep_going: Callable[[], bool]) -> Path | TryLater:
    beside.make_folders(path.parent)
    if space.free(path.parent) < sum(_size(item) for item in parcel.items) + room:
        return NO_ROOM
    beside.write(path, zipping.zipped(_members(parcel), keep_going))
    beside.sync_folder(path.parent)
    return path


def _size(item: Item) -> int:
    try:
        return item.path.stat().st_size
    except OSError:
        raise zipping.SourceError from None


def _members(parcel: Parcel) -> Iterator[tuple[str, Iterator[bytes]]]:
    noted: list[Entry] = []
    for item in parcel.items:
        name = str(place_of(parcel, item))
        yield name, _noting(item, name, noted)
    yield MANIFEST, _manifest(parcel, noted)


def _noting(item: Item, name: str, noted: list[Entry]) -> Iterator[bytes]:
    digest, size = hashlib.sha256(), 0
    for piece in zipping.pieces(item.path):
        digest.update(piece)
        size += len(piece)
        yield piece
    noted.append(Entry(name, item.uid, item.sop_class, item.transfer_syntax, size, digest.hexdigest()))


def _manifest(parcel: Parcel, entries: Sequence[Entry]) -> Iterator[bytes]:
    """A generator: it runs when all files were noted."""
    said = {
        **_head(parcel),
        "bytes": sum(one.bytes for one in entries),
        "files": [asdict(one) for one in entries],
    }
    yield json.dumps(said, indent=1).encode()


def _head(parcel: Parcel) -> dict[str, object]:
    return {
        "format": FORMAT,
        "patient_id": parcel.patient,
        "study_instance_uid": parcel.study_uid,
        "revision": parcel.revision,
        "images": len(parcel.items),
        "series": len({item.series_uid for item in parcel.items}),
    }


# --- used again -----------------------------------------------------------------------------------


def is_intact(path: Path, parcel: Parcel, keep_going: Callable[[], bool]) -> bool:
    """Whether a whole archive of just this parcel lies there. Raises StoppedError."""
    try:
        with zipfile.ZipFile(path) as archive:
            return _is_of(archive, parcel) and _reads_through(archive, keep_going)
    except (
        OSError,
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        KeyError,
        TypeError,
        NotImplementedError,
        RecursionError,
    ):
        return False  # whatever is wrong with it: it is made again


def _is_of(archive: zipfile.ZipFile, parcel: Parcel) -> bool:
    if archive.getinfo(MANIFEST).file_size > LARGEST_MANIFEST:
        return False
    said = json.loads(archive.read(MANIFEST))
    wanted = [
        (str(place_of(parcel, item)), item.uid, item.sop_class, item.transfer_syntax, _size_or_none(item))
        for item in parcel.items
    ]
    named = [
        tuple(
            one[key] for key in ("name", "sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "bytes")
        )
        for one in said["files"]
    ]
    head = {key: said[key] for key in _head(parcel)}
    return (
        head == _head(parcel)
        and named == wanted
        and archive.namelist() == [*(one[0] for one in wanted), MANIFEST]
    )


def _size_or_none(item: Item) -> int | None:
    """None of a file that is gone: then the archive is of other images than the store holds."""
    try:
        return item.path.stat().st_size
    except OSError:
        return None


def _reads_through(archive: zipfile.ZipFile, keep_going: Callable[[], bool]) -> bool:
    """To the end of each member `zipfile` compares its checksum, or raises."""
    for member in archive.infolist():
        with archive.open(member) as content:
            while content.read(zipping.PIECE):
                if not keep_going():
                    raise zipping.StoppedError
    return True

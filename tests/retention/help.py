"""Studies that were delivered some time ago, with files on disk."""

from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from proxy.deliveries.models import Delivery
from proxy.retention import keeper
from proxy.retention.keeper import Round
from proxy.routing.models import Destination
from proxy.studies.models import Revision
from tests.deliveries.builders import NOW, a_folder, a_revision, files_of, opened

WEEK = timedelta(days=7)
LATER = NOW + WEEK + timedelta(hours=1)


def delivered(study: int = 1, images: int = 3, *, number: int = 1, at: datetime = NOW) -> Revision:
    """To a folder `outbox`."""
    destination = Destination.objects.filter(name="outbox").first() or a_folder()
    revision = a_revision(study, images, number=number, state="delivered", destinations=(destination,))
    files_of(revision)
    [delivery] = opened(revision, destination)
    row = Delivery.objects.filter(pk=delivery.pk)
    acks = bytes([255] * (images // 8)) + bytes([(1 << images % 8) - 1])
    row.update(state="delivered", finished_at=at, acks=acks, acknowledged=images)
    Revision.objects.filter(pk=revision.pk).update(state="delivered", ended_at=at, look_at=at)
    return Revision.objects.get(pk=revision.pk)


def look(now: datetime = LATER) -> Round:
    gone = keeper.look(now)
    assert gone is not None
    return gone


def on_disk() -> list[str]:
    folder = Path(settings.DICOM_STORAGE_DIR) / "studies"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

"""Studies with files on disk, destinations and revisions for the tests of deliveries."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings

from proxy.deliveries import queue
from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination, Node, Project, Route
from proxy.studies import lifecycle
from proxy.studies.models import Instance, Revision, Series, Study
from tests import cast

NOW = datetime(2026, 1, 15, 9, 30, tzinfo=UTC)
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ROOT = "2.25.4711"


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def a_route() -> Route:
    project, _ = Project.objects.get_or_create(name="default")
    return Route.objects.get_or_create(called_ae="DICOMRCV", defaults={"project": project})[0]


def a_folder(name: str = "outbox", path: Path | str | None = None, *, as_zip: bool = False) -> Destination:
    return Destination.objects.create(name=name, kind="folder", path=str(path or name), as_zip=as_zip)


def a_peer(name: str = "ARCHIVE", port: int = 104) -> Destination:
    node = Node.objects.create(name=name, ae_title=name, host="127.0.0.1", port=port)
    return Destination.objects.create(name=name, kind="dimse", node=node)


def a_revision(
    study: int = 1,
    images: int = 3,
    *,
    number: int = 1,
    state: str = lifecycle.RELEASED,
    destinations: tuple[Destination, ...] = (),
) -> Revision:
    """Rows only; `files_of` puts something on disk."""
    route = a_route()
    uid = f"{ROOT}.{study}"
    row, _ = Study.objects.get_or_create(
        project=route.project, uid=uid, defaults={"patient": "ANON-ABCDEFGHIJKLMNOP", "received_at": NOW}
    )
    revision = Revision.objects.create(
        study=row, route=route, number=number, state=state, opened_at=NOW, quiet_at=NOW, total=images
    )
    revision.destinations.set(destinations)
    series, _ = Series.objects.get_or_create(study=row, uid=f"{uid}.1", modality="CT")
    Instance.objects.bulk_create(_instance(revision, series, ordinal) for ordinal in range(images))
    return revision


def _instance(revision: Revision, series: Series, ordinal: int) -> Instance:
    uid = f"{series.uid}.{revision.number}.{ordinal}"
    return Instance(
        project_id=revision.study.project_id,
        revision=revision,
        series=series,
        ordinal=ordinal,
        uid=uid,
        sop_class=CT,
        transfer_syntax=EXPLICIT,
        path=f"{revision.study.project_id}/{revision.study.uid}/{uid}-x.dcm",
        size=8,
        header_mac="m",
        bulk_digest="d",
        received_at=NOW,
    )


def place_of(instance: Instance) -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "studies" / instance.path


def files_of(revision: Revision) -> list[Path]:
    """A small file for each instance of the revision, with content of its own."""
    places = []
    for instance in revision.instances.order_by("ordinal"):
        place = place_of(instance)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"DICM " + instance.uid.encode())
        places.append(place)
    return places


def real_files_of(revision: Revision) -> None:
    """An image under the UID of each instance."""
    for instance in revision.instances.order_by("ordinal"):
        image = cast.ct(instance=instance.ordinal + 1)
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = instance.uid
        place = place_of(instance)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(cast.part10(image))


def opened(revision: Revision, *destinations: Destination, now: datetime = NOW) -> list[Delivery]:
    queue.open_for(revision, destinations, now)
    return list(Delivery.objects.filter(revision=revision).order_by("pk"))


def a_waiting_delivery(study: int = 1, images: int = 3, to: Destination | None = None) -> Delivery:
    destination = to or Destination.objects.filter(name="outbox").first() or a_folder()
    return opened(a_revision(study, images, destinations=(destination,)), destination)[0]

"""Where the demonstration's images are now: found by the same audited look-up that everybody else uses."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from proxy.deliveries.lifecycle import DELIVERED
from proxy.deliveries.models import Delivery
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Project
from proxy.studies.models import Instance
from proxy.vault.reidentify import Principal, Unknown, pseudonymous_uid

WE = Principal("demo (console)", lambda permission: True)
PURPOSE = "demonstration with sample images"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One image, from what was sent to what was delivered."""

    before: Path
    after: Path
    destinations: tuple[str, ...]
    delivered: bool


@dataclass(frozen=True, slots=True)
class Follower:
    """Knows the pseudonymous UIDs of one study's images; asks for each of them once."""

    project_id: int
    uids: dict[str, Path]

    @classmethod
    def of(cls, project: str, sent: Iterable[tuple[str, Path]]) -> "Follower":
        number = Project.objects.get(name=project).pk
        known = {}
        for original, path in sent:
            try:
                known[pseudonymous_uid(WE, number, original, PURPOSE)] = path
            except Unknown:
                continue
        return cls(number, known)

    def look(self) -> list[Arrived]:
        rows = Instance.objects.filter(project_id=self.project_id, uid__in=self.uids).order_by("pk")
        return [self._arrived(row) for row in rows]

    def held(self) -> list[str]:
        rows = HeldItem.objects.filter(project_id=self.project_id, uid__in=self.uids, state=HELD)
        return list(rows.values_list("reason", flat=True).distinct())

    def _arrived(self, row: Instance) -> Arrived:
        deliveries = list(Delivery.objects.filter(revision_id=row.revision_id).select_related("destination"))
        done = bool(deliveries) and all(delivery.state == DELIVERED for delivery in deliveries)
        names = tuple(delivery.destination.name for delivery in deliveries)
        path = Path(settings.DICOM_STORAGE_DIR) / "studies" / row.path
        return Arrived(self.uids[row.uid], path, names, done)

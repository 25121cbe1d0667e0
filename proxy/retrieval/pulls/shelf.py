"""Which images of a PACS are here already, in the index or in quarantine: nothing is fetched twice."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from proxy.quarantine.models import HeldItem
from proxy.studies.lifecycle import EXPIRED
from proxy.studies.models import Instance
from proxy.vault import uids

PAGE = 500


@dataclass(frozen=True, slots=True)
class Shelf:
    """`since` is when the call began: what it has brought itself and has expired by now is not fetched twice."""

    project_id: int
    since: datetime = field(default_factory=timezone.now)

    def holds(self, originals: Iterable[str]) -> set[str]:
        """Those of these UIDs whose images are here. What a forgotten person had may come again, and what expired."""
        wanted = list(originals)
        found: set[str] = set()
        for at in range(0, len(wanted), PAGE):
            found |= self._page(wanted[at : at + PAGE])
        return found

    def _page(self, originals: list[str]) -> set[str]:
        names = uids.names_of(self.project_id, originals)
        known = list(names)
        rows: list[tuple[str, str]] = []
        for start in range(0, len(known), PAGE):
            some = known[start : start + PAGE]
            here = Instance.objects.filter(project_id=self.project_id, uid__in=some)
            here = here.filter(Q(received_at__gte=self.since) | ~Q(revision__state=EXPIRED))
            rows += here.values_list("uid", "revision__study__patient")
            rows += HeldItem.objects.filter(project_id=self.project_id, uid__in=some).values_list(
                "uid", "patient"
            )
        gone = uids.forgotten(self.project_id, {patient for _, patient in rows})
        return {names[uid] for uid, patient in rows if patient not in gone}

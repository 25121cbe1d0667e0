"""What should have gone and is still here, or waits to be looked at."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from proxy.alerts.findings import HOUR, Finding, Rule, counted
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.studies.lifecycle import DELIVERED, EXPIRED
from proxy.studies.models import Revision

LATE: Final = timedelta(days=2)
"""Every revision is looked at each day; a backup may hold that up for some hours."""


def overdue(now: datetime) -> Iterator[Finding]:
    late = now - LATE
    unseen = Revision.objects.filter(state=DELIVERED, look_at__lt=late).count()
    lying = Revision.objects.filter(state=EXPIRED, files_gone_at=None, ended_at__lt=late).count()
    held = HeldItem.objects.filter(state=HELD, file_gone_at=None, goes_at__lt=late).count()
    for subject, many, said in (
        ("studies", unseen, "were not looked at for two days, though their retention may have passed."),
        ("files", lying, "have expired, and their files are still here."),
        ("quarantine", held, "are still held, two days after they should have gone."),
    ):
        if many:
            thing = "held image" if subject == "quarantine" else "revision"
            yield Finding(subject, f"{counted(many, thing)} {said}", many)


RULES: Final = (
    Rule(
        "retention-overdue",
        "what should be gone is still here",
        "See that `work` runs and that no backup hangs (both hold locks beside the images); `expire --dry-run` says"
        " what would go and why the rest stays.",
        overdue,
        every=HOUR,
        calm=24 * HOUR,
    ),
)

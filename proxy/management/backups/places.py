"""Which folders a backup holds, under which names, and whether everything is in it that the database names."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import F, Max, QuerySet

from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem
from proxy.retrieval.models import Result
from proxy.studies.lifecycle import EXPIRED
from proxy.studies.models import Instance, Revision
from proxy.vault.models import Seal


def roots() -> list[tuple[str, Path]]:
    """Name in the archive and folder on disk. Logs, archives under way and what can be made anew stay out."""
    stored = [
        (name, settings.DICOM_STORAGE_DIR / name) for name in ("studies", "quarantine", "results", "evidence")
    ]
    return [*stored, ("vault", settings.DATA_DIR / "vault"), ("outbox", settings.DATA_DIR / "outbox")]


def newest() -> dict[str, int]:
    """The last row of each kind, so that what comes later is not missed."""
    return {name: rows.aggregate(last=Max("pk"))["last"] or 0 for name, rows in _rows().items()}


def missing(held: set[str], until: Mapping[str, int]) -> int:
    """Files that rows up to `until` name and the archive has not."""
    return sum(1 for name in _named(until) if name not in held)


def _rows() -> dict[str, QuerySet[Any]]:
    return {
        "studies": Instance.objects.exclude(revision__state=EXPIRED),
        "quarantine": HeldItem.objects.filter(state=HELD),
        "results": Result.objects.filter(expired_at=None),
        "vault": Seal.objects.exclude(path=""),
        "evidence": Revision.objects.exclude(evidence="").annotate(path=F("evidence")),
    }


def _named(until: Mapping[str, int]) -> Iterator[str]:
    for name, rows in _rows().items():
        for path in rows.filter(pk__lte=until[name]).values_list("path", flat=True).iterator():
            yield f"{name}/{path}"

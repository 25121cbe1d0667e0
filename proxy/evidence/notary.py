"""Make the evidence of what was released: look at the files once more, state, sign, keep.

It is made beside the deliveries and delays none. Until it is made nothing says that it is, so a crash costs a look.
"""

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db.models import QuerySet

from proxy import sql
from proxy.evidence import looking, signing
from proxy.evidence.statement import UNKNOWN, Image, LookedAt, Released, state
from proxy.storage.files import remove, stage
from proxy.storage.keys import EVIDENCE, Watched
from proxy.studies import completeness
from proxy.studies.models import Instance, PacsCount, Revision, Treatment

log = logging.getLogger(__name__)

AT_ONCE: Final = 20  # revisions a round
ROWS: Final = 500


def attest_released(now: datetime, going: Callable[[], bool]) -> int:
    """How many revisions have their evidence from now on. Raises KeysMissing, StorageFull."""
    if not _ANY_WAITING.any():
        return 0
    rows = _waiting().select_related("study__project", "route").order_by("released_at")
    return sum(going() and attest(row, now, going) for row in list(rows[:AT_ONCE]))


def _waiting() -> "QuerySet[Revision]":
    return Revision.objects.filter(evidence="", released_at__isnull=False)


_ANY_WAITING: Final = sql.Standing(lambda _: _waiting())


def attest(revision: Revision, now: datetime, going: Callable[[], bool]) -> bool:
    """False: it was stopped in the middle, or another process was faster."""
    images = _images(revision, going)
    if images is None:
        return False
    kept = _keep(revision, document(revision, images, now))
    if kept:
        log.info("evidence of revision %s: %s images", revision.pk, len(images))
    return kept


def document(revision: Revision, images: list[Image], now: datetime) -> bytes:
    digests = {image.treatment for image in images}
    treatments = dict(Treatment.objects.filter(pk__in=digests).values_list("digest", "content"))
    looks = [
        LookedAt(image, looking.header_of(path, revision.study.patient))
        for image, path in _samples(revision, images)
    ]
    statement = state(_released(revision), images, treatments, looks, settings.PROXY_VERSION, now.isoformat())
    return signing.signed(statement, seed())


def read(revision: Revision) -> bytes:
    """The document; FileNotFoundError if it is gone."""
    return (folder() / revision.evidence).read_bytes()


def name_of(revision: Revision) -> str:
    """For whoever gets the document as a file."""
    return f"evidence-{revision.study.uid}-{revision.number}.json"


def seed() -> bytes:
    """Of the private key. Raises KeysMissing."""
    return _watched(Path(settings.KEY_DIR)).secret()


def folder() -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "evidence"


@lru_cache(maxsize=8)
def _watched(key_dir: Path) -> Watched:
    return Watched(key_dir, EVIDENCE)


def _released(revision: Revision) -> Released:
    study, at = revision.study, revision.released_at
    return Released(
        project=study.project.name,
        patient=study.patient,
        study_uid=study.uid,
        revision=revision.number,
        released_at=at.isoformat() if at else "",
        review=revision.route.review,
        completeness=completeness.sureness_of(revision, _count_of(revision)),
    )


def _count_of(revision: Revision) -> PacsCount | None:
    return PacsCount.objects.select_related("node", "revision").filter(revision=revision).first()


# --- what lies on the disk ------------------------------------------------------------------------------


def _images(revision: Revision, going: Callable[[], bool]) -> list[Image] | None:
    images: list[Image] = []
    for image in _looked_at(revision):
        images.append(image)
        if not going():
            return None
    return images


def _looked_at(revision: Revision) -> Iterator[Image]:
    rows = Instance.objects.filter(revision=revision).order_by("ordinal")
    columns = ("series__uid", "uid", "sop_class", "treatment_id", "path")
    for series_uid, uid, sop_class, treatment, path in list(rows.values_list(*columns)):
        sha256, size = looking.digest_of(_studies() / path)
        yield Image(series_uid, uid, sop_class, treatment or UNKNOWN, size, sha256)


def _samples(revision: Revision, images: Iterable[Image]) -> Iterator[tuple[Image, Path]]:
    """The first file of each series and treatment."""
    first = {(image.series_uid, image.treatment): image for image in reversed(list(images))}
    uids = [image.uid for image in first.values()]
    paths = dict(Instance.objects.filter(revision=revision, uid__in=uids).values_list("uid", "path"))
    for image in sorted(first.values(), key=lambda one: (one.series_uid, one.treatment)):
        yield image, _studies() / paths[image.uid]


def _studies() -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "studies"


# --- what is kept ---------------------------------------------------------------------------------------


def _keep(revision: Revision, made: bytes) -> bool:
    """The file, then the row that names it: one of two processes wins, and the other takes its file away again. So does
    whoever looked at images of which some were taken out meanwhile."""
    path = f"{revision.study.project_id}/{revision.study_id % 1000:03d}/{revision.pk}-{secrets.token_hex(4)}.json"
    with stage(folder(), path) as staged:
        staged.write([made])
        staged.commit()
    same = Revision.objects.filter(
        pk=revision.pk, evidence="", total=revision.total, released_at__isnull=False
    )
    if same.update(evidence=path):
        return True
    remove(folder() / path)
    return False

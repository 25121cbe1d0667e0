"""Quarantine on disk: the original data set, encrypted in chunks, whole or absent."""

import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError

from proxy.commits import InDoubt, surely
from proxy.quarantine.lifecycle import DISCARDED
from proxy.quarantine.models import HeldItem
from proxy.storage.files import Staged, remove, stage
from proxy.storage.sealed import SealedWriter, open_sealed

Key = Callable[[bytes], bytes]
CONTEXT = b"quarantine"
RULE = "rule"
"""Who decided about what a route's rule excludes."""


def folder() -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "quarantine"


@dataclass(slots=True)
class Spool:
    """An original on its way into quarantine. In clear it exists in memory only."""

    path: str
    staged: Staged
    writer: SealedWriter

    def write(self, data: bytes | memoryview) -> None:
        self.writer.write(data)

    def commit(self) -> int:
        """Make it durable; the size on disk in bytes."""
        self.writer.finish()
        self.staged.commit()
        return self.staged.size

    def discard(self) -> None:
        self.staged.discard()


def spool(project_id: int, wrap: Key) -> Spool:
    """Names of files say nothing: a random one below the project's folder."""
    path = f"{project_id}/{secrets.token_hex(16)}.sealed"
    staged = stage(folder(), path)
    return Spool(path, staged, SealedWriter(staged.write, wrap, CONTEXT))


def discarded_by_rule(item: HeldItem, why: str) -> HeldItem:
    """Its series never leaves, so nobody needs to look at it; it is kept as whatever a person discarded."""
    item.state, item.decided_at, item.decided_by, item.comment = DISCARDED, item.held_at, RULE, why[:255]
    return item


def of_nobody() -> None:
    """`must_live` of what is sealed under the project's key: no forgetting takes that."""


def hold(item: HeldItem, spool: Spool, destination_ids: Sequence[int], must_live: Callable[[], None]) -> None:
    """Make it durable, then known. The same image sent again while it is held is as once. `must_live` raises, and
    nothing is kept, if whoever it was sealed for is gone."""
    if item.state == DISCARDED and _is_there(item):
        spool.discard()
        must_live()
        return
    item.size = spool.commit()
    try:
        with surely():
            must_live()
            item.save(force_insert=True)
            item.destinations.set(destination_ids)
    except InDoubt:
        raise  # the row may name the file
    except IntegrityError:
        remove(folder() / spool.path)
        if not _is_there(item):
            raise
    except Exception:
        remove(folder() / spool.path)
        raise


def _is_there(item: HeldItem) -> bool:
    """The same, in the same state; of what was discarded, by a rule and with its file."""
    names = ("project_id", "uid", "header_mac", "bulk_digest", "transfer_syntax")
    same = {name: getattr(item, name) for name in names}
    rows = HeldItem.objects.filter(state=item.state, file_gone_at=None, **same)
    return rows.filter(decided_by=item.decided_by).exists()


def has_study(project_id: int, patient: str, uids: Collection[str]) -> bool:
    """Whether images of this study were held as theirs, whatever became of them; `uids` is what it may be called."""
    return HeldItem.objects.filter(project_id=project_id, patient=patient, study_uid__in=uids).exists()


def original(path: str, unwrap: Key) -> Iterator[bytes]:
    """The data set as it came. Raises SealBroken if it was touched."""
    return open_sealed(folder() / path, unwrap, CONTEXT)

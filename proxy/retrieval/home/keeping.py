"""Results on disk: as they came, pseudonymous, and encrypted with the person's key besides."""

import secrets
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from proxy.deid import Limits
from proxy.storage.files import stage
from proxy.storage.sealed import SealedWriter, read_sealed

CONTEXT = b"result"
MEGABYTE = 1 << 20

Wrap = Callable[[bytes], bytes]


def folder() -> Path:
    return Path(settings.DICOM_STORAGE_DIR) / "results"


def write(project_id: int, data: bytes, wrap: Wrap) -> str:
    """Durable under this path below the folder; the name says nothing. Raises StorageFull."""
    path = f"{project_id}/{secrets.token_hex(16)}.sealed"
    with stage(folder(), path) as staged:
        writer = SealedWriter(staged.write, wrap, CONTEXT)
        writer.write(data)
        writer.finish()
        staged.commit()
    return path


def read(path: str, unwrap: Wrap) -> bytes:
    """Raises OSError, SealBroken."""
    return read_sealed(folder() / path, unwrap, CONTEXT)


def limits() -> Limits:
    """A result is worked on in memory."""
    return Limits(
        header=settings.HEADER_LIMIT * MEGABYTE, inflated=settings.DICOM_MEMORY_LIMIT * MEGABYTE // 4
    )

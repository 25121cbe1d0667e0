"""The audit's own key, looked at anew with each use."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from proxy.storage.keys import AUDIT, Watched


def audit_key() -> bytes:
    """Raises KeysMissing: without its key nothing is recorded, so what must be recorded does not happen."""
    return _watched(Path(settings.KEY_DIR)).secret()


@lru_cache(maxsize=8)
def _watched(key_dir: Path) -> Watched:
    return Watched(key_dir, AUDIT)

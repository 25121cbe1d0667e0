"""Is there room? Asked for every image, so the file system is asked only now and then."""

import os
import time
from pathlib import Path

FRESH_FOR = 0.5
_seen: dict[Path, tuple[float, int]] = {}


def free(path: Path) -> int:
    """Bytes that we may still write there; of a folder not yet made, those of the nearest one that is."""
    while not path.exists() and path != path.parent:
        path = path.parent
    facts = os.statvfs(path)
    return facts.f_bavail * facts.f_frsize


def has_room(path: Path, watermark_bytes: int) -> bool:
    """True while more than the watermark is free; the answer may be half a second old."""
    now = time.monotonic()
    seen = _seen.get(path)
    if seen is None or now - seen[0] > FRESH_FOR:
        seen = (now, free(path))
        _seen[path] = seen
    return seen[1] > watermark_bytes

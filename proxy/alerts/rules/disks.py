"""Room on the volumes of data and keys."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings

from proxy.alerts.findings import MINUTE, Finding, Rule

MEGABYTE: Final = 1 << 20
NAMES: Final = ("DATA_DIR", "DICOM_STORAGE_DIR", "ARCHIVE_DIR", "KEY_DIR")
LOW, NEAR, REFUSING = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Volume:
    """In bytes. `device` tells volumes apart."""

    name: str
    device: int
    free: int
    size: int


@dataclass(frozen=True, slots=True)
class Limits:
    """In bytes, and in percent of the volume. Below `watermark` images are refused."""

    watermark: int
    percent: int
    keys: int


def disks(now: datetime) -> Iterator[Finding]:
    limits = Limits(
        watermark=settings.DISK_WATERMARK * MEGABYTE,
        percent=settings.ALERT_DISK_PERCENT,
        keys=settings.ALERT_KEYS_MB * MEGABYTE,
    )
    yield from judge([volume_of(name, Path(getattr(settings, name))) for name in NAMES], limits)


def judge(volumes: Iterable[Volume], limits: Limits) -> Iterator[Finding]:
    """A volume is told of once, by the first of its folders; that of the keys always has its own limit, too."""
    told: set[int] = set()
    for one in volumes:
        weight = keys_weight(one, limits) if one.name == "KEY_DIR" else data_weight(one, limits)
        if weight and one.device not in told:
            told.add(one.device)
            yield Finding(one.name, f"{_free(one)}{_meaning(weight)}", weight)


def data_weight(volume: Volume, limits: Limits) -> int:
    if volume.free <= limits.watermark:
        return REFUSING
    if volume.free <= 2 * limits.watermark:
        return NEAR
    return LOW if volume.free * 100 < volume.size * limits.percent else 0


def keys_weight(volume: Volume, limits: Limits) -> int:
    return NEAR if volume.free < limits.keys else 0


def volume_of(name: str, folder: Path) -> Volume:
    """Of a folder not yet made, that of the nearest one that is."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    facts = os.statvfs(folder)
    free, size = facts.f_bavail * facts.f_frsize, facts.f_blocks * facts.f_frsize
    return Volume(name, folder.stat().st_dev, free, size)


def _free(volume: Volume) -> str:
    share = volume.free * 100 // volume.size if volume.size else 0
    return f"{volume.free // MEGABYTE:,} MB are free, {share} % of the volume."


def _meaning(weight: int) -> str:
    return " Images are refused until there is more than DISK_WATERMARK." if weight >= REFUSING else ""


RULES: Final = (
    Rule(
        "disk",
        "the disk is nearly full",
        "Make room, enlarge the volume, or let `expire` remove what was kept long enough. Below DISK_WATERMARK images"
        " are refused, and senders keep them.",
        disks,
        patience=2 * MINUTE,
        calm=timedelta(0),
    ),
)

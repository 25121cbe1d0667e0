"""Deliver into a folder: <path>/<patient>/<study>/<series>/<instance>.dcm, or one ZIP for a study's revision, under
these names or those of a template of the site (`proxy/storage/templates.py`).

A file is written beside its place, fsynced and renamed, so that whoever watches the folder never sees half a
file, and a retry replaces instead of doubling. An image is acknowledged once its folder is fsynced, too.
"""

import errno
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from proxy.deliveries.agents import beside, zipping
from proxy.deliveries.outcomes import (
    INTERRUPTED,
    Delivered,
    Outcome,
    Refused,
    Result,
    TryLater,
    Verdict,
    fold,
)
from proxy.deliveries.parcel import IMAGE, Address, Item, Parcel, Shelf
from proxy.storage.templates import Template

BATCH = 32
PROBE_BYTES = 64 << 10
FULL = {errno.ENOSPC, errno.EDQUOT}
GONE = "Its stored file cannot be read; let doctor compare index and disk."
NO_NAME = "A pseudonym or UID of it is no safe file name; nothing was written."


def deliver(
    parcel: Parcel, acknowledge: Callable[[Sequence[int]], None], keep_going: Callable[[], bool]
) -> Outcome:
    shelf = _shelf(parcel)
    try:
        _open(shelf)
        way = _as_zip if shelf.as_zip else _as_files
        return way(parcel, shelf.path, acknowledge, keep_going)
    except OSError as trouble:
        return later(trouble)


def probe(to: Address) -> TryLater | None:
    """By a small file under a name that nobody watches for, written through to the disk and removed."""
    if not isinstance(to, Shelf):
        raise TypeError("The folder agent probes shelves only.")
    try:
        _open(to)
        beside.attempt(to.path, PROBE_BYTES)
    except OSError as trouble:
        return later(trouble)
    return None


def later(trouble: OSError) -> TryLater:
    if trouble.errno in FULL:
        return TryLater("The destination's folder is full; make room there.")
    if trouble.errno == errno.ENOENT:
        return TryLater("The destination's folder is not there; check its mount.")
    name = errno.errorcode.get(trouble.errno or 0, "an I/O error")
    return TryLater(
        f"The destination's folder cannot be written ({name}); check its permissions and its disk."
    )


def _open(shelf: Shelf) -> None:
    """Only what lies below our own folder is made with its parents: an absent mount is no local folder. Nor is one that
    goes away while we write."""
    if shelf.make:
        beside.make_folders(shelf.path)
    elif not shelf.path.is_dir():
        shelf.path.mkdir()
        beside.sync_folder(shelf.path.parent)


# --- one file for each instance -------------------------------------------------------------------


def _as_files(
    parcel: Parcel, base: Path, acknowledge: Callable[[Sequence[int]], None], keep_going: Callable[[], bool]
) -> Outcome:
    results: list[Result] = []
    for start in range(0, len(parcel.items), BATCH):
        if not keep_going():
            return fold(parcel.ordinals, results, interrupted=True)
        batch = _put_all(parcel, parcel.items[start : start + BATCH], base)
        acknowledge([result.ordinal for result in batch if result.verdict is Verdict.STORED])
        results += batch
    return fold(parcel.ordinals, results)


def _put_all(parcel: Parcel, items: Sequence[Item], base: Path) -> list[Result]:
    batch = [_put(parcel, item, base) for item in items]
    for folder in {place.parent for _, place in batch if place is not None}:
        beside.sweep(folder)
        beside.sync_up_to(base, folder)
    return [result for result, _ in batch]


def _put(parcel: Parcel, item: Item, base: Path) -> tuple[Result, Path | None]:
    place = place_of(parcel, item, _shelf(parcel).names)
    if place is None:
        return Result(item.ordinal, Verdict.REFUSED, NO_NAME), None
    try:
        beside.write(base / place, zipping.pieces(item.path), base)
    except zipping.SourceError:
        return Result(item.ordinal, Verdict.REFUSED, GONE), None
    return Result(item.ordinal, Verdict.STORED), base / place


def _shelf(parcel: Parcel) -> Shelf:
    if not isinstance(parcel.to, Shelf):
        raise TypeError("The folder agent delivers to shelves only.")
    return parcel.to


def place_of(parcel: Parcel, item: Item, template: Template = IMAGE) -> Path | None:
    """None: a pseudonym or UID of it is no name that may stand in a path. Its ordinal is its own for good."""
    place = template.fill(
        _of_study(parcel)
        | {
            "series_uid": item.series_uid,
            "instance_uid": item.uid,
            "n": f"{item.ordinal + 1:06}",
            "modality": item.modality,
            "series_number": item.series_number,
        }
    )
    return Path(place) if place is not None else None


def _of_study(parcel: Parcel) -> dict[str, str]:
    return {
        "project": parcel.project,
        "patient_id": parcel.patient,
        "study_uid": parcel.study_uid,
        "revision": str(parcel.revision),
    }


# --- one ZIP for each revision --------------------------------------------------------------------


def _as_zip(
    parcel: Parcel, base: Path, acknowledge: Callable[[Sequence[int]], None], keep_going: Callable[[], bool]
) -> Outcome:
    places = [place_of(parcel, item) for item in parcel.items]
    members = [(item, place) for item, place in zip(parcel.items, places, strict=True) if place is not None]
    place = _shelf(parcel).names.fill(_of_study(parcel))
    if len(members) < len(parcel.items) or place is None:
        return Refused(NO_NAME)
    target = base / place
    try:
        beside.write(target, zipped(members, keep_going), base)
    except zipping.SourceError:
        return Refused(f"The ZIP was not made. An image is missing: {GONE}")
    except zipping.StoppedError:
        return INTERRUPTED
    beside.sync_up_to(base, target.parent)
    acknowledge(sorted(parcel.ordinals))
    return Delivered()


def zipped(members: Sequence[tuple[Item, Path]], keep_going: Callable[[], bool]) -> Iterator[bytes]:
    return zipping.zipped(((str(place), zipping.pieces(item.path)) for item, place in members), keep_going)

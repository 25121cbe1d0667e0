"""Do what the backend dispatches: fetch it, find out whose it is, send it to the nodes that may see who that is.

What came lies pseudonymous in a folder of the dispatch below DATA_DIR while it is worked on, and identities are made in
memory alone. A dispatch whose process died is begun again, and goes on with the images that a node has not got yet.
"""

import logging
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import connections
from django.utils import timezone

from proxy.backend import deletions, dispatches, remembered
from proxy.backend.keeping import PLATFORM
from proxy.backend.lifecycle import COMPLETED, DOWNLOADING, FAILED, PROCESSING
from proxy.backend.models import Dispatch
from proxy.backend.statuses import tell as tell_backend
from proxy.deliveries.directions import backend_in_clear, backend_trust
from proxy.link import downloading, shelf
from proxy.link.downloading import STOPPED, Bounds, Failed, Later, Wanted
from proxy.link.shelf import Place
from proxy.link.unpacking import BROKEN, unpack
from proxy.retrieval import returning
from proxy.retrieval.returning import Image, Owner, Told
from proxy.routing.match import NodeFacts, load_table
from proxy.routing.models import Destination, Node
from proxy.waits import doubled

log = logging.getLogger(__name__)

MEGABYTE: Final = 1 << 20
AT_ONCE: Final = 2
LOOK_EVERY: Final = 1.0  # seconds
TELL_EVERY: Final = 2.0
TIDY_EVERY: Final = 60.0
BROKEN_FOR_GOOD: Final = 5  # tries

NO_WORKSPACE: Final = Later("The backend has not said yet which workspace is ours.")
NOBODY: Final = Failed(
    "No active node of the backend with write permission may see identities; a person on site must confirm one."
)
NO_VIEW: Final = "No node that the backend may send to may see identities of its project."
NO_IMAGE: Final = Failed("The archive holds no DICOM image.")
UNREADABLE: Final = "A file is no whole DICOM image."


def bounds() -> Bounds:
    return Bounds(settings.DISPATCH_LIMIT * MEGABYTE, settings.DISK_WATERMARK * MEGABYTE)


@dataclass(slots=True)
class Errand:
    """One dispatch, claimed by us. `going` turns false when we are to stop."""

    row: Dispatch
    going: Callable[[], bool]
    _pending: dict[str, set[int]] = field(default_factory=dict)  # by image, the nodes that have it not yet
    _late: list[str] = field(default_factory=list)
    _refused: list[str] = field(default_factory=list)
    _told_at: float = float("-inf")

    def run(self) -> None:
        place = shelf.place_of(self.row.pk)
        place.prepare()
        verdict: Later | Failed | None = None
        try:
            verdict = self._worked(place)
        finally:
            place.clear(keep_archive=isinstance(verdict, Later) and place.archive.is_file())
        self._end(verdict)
        if dispatches.is_over(self.row.pk):
            place.clear(keep_archive=False)

    def _worked(self, place: Place) -> Later | Failed | None:
        targets = dispatches.targets()
        paused = [one.name for one in targets if one.paused_at is not None]
        if paused:
            return Later(f"{paused[0]} was paused by a person.")
        if not any(one.node is not None and one.node.view == Node.IDENTIFIED for one in targets):
            return NOBODY
        trouble = None if place.archive.is_file() else self._fetched(place)
        if trouble is not None:
            return trouble
        if not dispatches.move(self.row, "downloaded"):
            return STOPPED
        files = self._unpacked(place)
        if not isinstance(files, list):
            return files
        images = [image for path in files if (image := returning.read(path)) is not None]
        self.row.total, self.row.sent = len(files), 0
        self._refused += [UNREADABLE] * (len(files) - len(images))
        self._send(images, targets)
        return self._verdict()

    def _fetched(self, place: Place) -> Later | Failed | None:
        workspace = remembered.last_known().workspace_id
        if not workspace:
            return NO_WORKSPACE
        if in_clear := backend_in_clear():
            return Later(in_clear.reason)
        tell(self.row, DOWNLOADING)
        wanted = Wanted(workspace, self.row.kind, self.row.entity, self.row.subject)
        ours = settings.ITH_URL, settings.ITH_TOKEN
        return downloading.download(*ours, wanted, place.archive, bounds(), self.going, trust=backend_trust())

    def _unpacked(self, place: Place) -> list[Path] | Later | Failed:
        tell(self.row, PROCESSING)
        files = unpack(place.archive, place.images, bounds())
        if files is BROKEN:
            place.archive.unlink(missing_ok=True)
            return Failed(BROKEN.reason) if self.row.tries + 1 >= BROKEN_FOR_GOOD else BROKEN
        return files if not isinstance(files, list) or files else NO_IMAGE

    def _send(self, images: Sequence[Image], targets: Sequence[Destination]) -> None:
        owners = returning.owners(images)
        ours: dict[Owner, list[Image]] = defaultdict(list)
        for image in images:
            if image.uid in owners:
                ours[owners[image.uid]].append(image)
        for owner, those in ours.items():
            self._send_originals(owner, those, targets)
        node = platform()
        for image in images:
            if image.uid not in owners and self.going():
                self._hear(0, returning.come_home(image, node, targets))

    def _send_originals(self, owner: Owner, images: Sequence[Image], targets: Sequence[Destination]) -> None:
        nodes = returning.seeing(targets, owner.project_id)
        if not nodes:
            self._refused += [NO_VIEW] * len(images)
        for image in images:
            self._pending[image.uid] = {node.pk for node in nodes}
        for node in nodes:
            has = set(self.row.done.get(str(node.pk), []))
            for image in images:
                if image.uid in has:
                    self._count(node.pk, image.uid)
            missing = [image for image in images if image.uid not in has]
            if missing:
                returning.send_home(node, owner, missing, self._hearer(node.pk), self.going)

    def _hearer(self, node_id: int) -> Callable[[Told], None]:
        return lambda told: self._hear(node_id, told)

    def _hear(self, node_id: int, told: Told) -> None:
        """`node_id` 0: a result, which is safe with us and goes home by itself."""
        if told.verdict == "stored":
            self._count(node_id, told.image.uid)
            if node_id:
                self.row.done.setdefault(str(node_id), []).append(told.image.uid)
        else:
            (self._late if told.verdict == "later" else self._refused).append(told.reason)
        if time.monotonic() - self._told_at >= TELL_EVERY:
            self._told_at = time.monotonic()
            dispatches.note_progress(self.row)
            tell(self.row, PROCESSING)

    def _count(self, node_id: int, uid: str) -> None:
        """An image has gone home when every node has it."""
        left = self._pending.get(uid, set())
        left.discard(node_id)
        self.row.sent += not left

    def _verdict(self) -> Later | Failed | None:
        if not self.going():
            return STOPPED
        if self._late:
            return Later(f"{len(self._late)} later: {self._late[0]}")
        if self._refused:
            return Failed(f"{len(self._refused)} of {self.row.total} did not go: {self._refused[0]}")
        return None

    def _end(self, verdict: Later | Failed | None) -> None:
        row, now = self.row, timezone.now()
        if not dispatches.note_progress(row):
            return  # the lease was lost: somebody else has it
        free = {"lease_until": None, "reason": verdict.reason[:255] if verdict else ""}
        if isinstance(verdict, Later):
            dispatches.move(
                row, "later", next_try_at=now + pause_of(row.tries, verdict), tries=row.tries + 1, **free
            )
            tell(row, PROCESSING)
        elif isinstance(verdict, Failed):
            dispatches.move(row, "fail", finished_at=now, **free)
            tell(row, FAILED)
        else:
            dispatches.move(row, "done", finished_at=now, done={}, **free)
            tell(row, COMPLETED)
        log.info("dispatch %s: %s", row.pk, row.reason or row.state)


def pause_of(tries: int, verdict: Later) -> timedelta:
    """Growing; longer, if the backend asked for it; none for what we stopped ourselves."""
    if verdict is STOPPED:
        return timedelta(0)
    pause, longest = (
        timedelta(seconds=one) for one in (settings.DELIVERY_PAUSE, settings.DELIVERY_PAUSE_MAX)
    )
    return max(doubled(pause, longest, tries + 1), verdict.after)


def platform() -> NodeFacts:
    """The node as which the backend's results come."""
    nodes = (node for group in load_table().nodes.values() for node in group)
    return next(node for node in nodes if node.name == PLATFORM)


def tell(row: Dispatch, status: str) -> None:
    tell_backend(row, status, timezone.now())


class Dispatcher:
    """A thread that claims what is due and renews what it holds; each dispatch runs on a thread of its own."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._running: dict[str, threading.Thread] = {}
        self._held: set[str] = set()  # tokens of claims that are ours as far as we know
        self._stopped = threading.Event()
        self._tidied_at = float("-inf")
        self._thread = threading.Thread(target=self._run, name="dispatcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> None:
        self._stopped.set()
        self._thread.join(grace)
        for thread in self._running.values():
            thread.join(grace)

    def _run(self) -> None:
        try:
            shelf.sweep()
        except OSError as trouble:
            log.warning("left-over downloads were not removed (%s)", type(trouble).__name__)
        while not self._stopped.wait(LOOK_EVERY):
            try:
                self.look()
                self._tidy()
            except Exception as trouble:
                log.error("dispatches: %s while looking; it is tried again", type(trouble).__name__)
                connections.close_all()
        connections.close_all()

    def look(self) -> None:
        self._running = {token: one for token, one in self._running.items() if one.is_alive()}
        now = timezone.now()
        self._held = dispatches.hold(self._running, now)
        while len(self._running) < self._at_once:
            token = secrets.token_hex(16)
            row = dispatches.claim(now, token)
            if row is None:
                return
            self._begin(row, token)

    def _begin(self, row: Dispatch, token: str) -> None:
        errand = Errand(row, lambda: not self._stopped.is_set() and token in self._held)
        thread = threading.Thread(target=_quietly, args=(errand,), name=f"dispatch-{row.pk}", daemon=True)
        self._held |= {token}
        self._running[token] = thread
        thread.start()

    def _tidy(self) -> None:
        if time.monotonic() - self._tidied_at >= TIDY_EVERY:
            self._tidied_at, now = time.monotonic(), timezone.now()
            shelf.forget_over()
            shelf.shed(bounds().largest, 2 * bounds().watermark)
            dispatches.prune(now)
            deletions.prune(now)


def _quietly(errand: Errand) -> None:
    """What nobody foresaw ends this try alone; its lease runs out, and it is begun again."""
    try:
        errand.run()
    except Exception as trouble:
        log.error("dispatch %s ended in %s; it is tried again", errand.row.pk, type(trouble).__name__)
    finally:
        connections.close_all()

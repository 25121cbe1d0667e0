"""Bring a study to us: by C-GET over our own association, or by C-MOVE to our listener where C-GET is not offered.

With C-MOVE the PACS decides where an AE title is. If its entry for us is wrong, images with names go to another machine
and we would not even know. So one image is asked for first, the canary, and unless it is here in time nothing more is.

What counts is what is here, not what the PACS says that it sent: each study is held against the PACS's own list.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from proxy.network.contexts import accepted_classes
from proxy.network.conversing import Alive
from proxy.network.door import Door
from proxy.network.fetching import (
    COMPRESSED_FIRST,
    GET_NOT_OFFERED,
    SYNTAXES,
    Counts,
    Ended,
    Fetching,
    GetNotOffered,
    Moving,
)
from proxy.network.inquiring import Inquiry
from proxy.network.peer import Lost, Peer
from proxy.retrieval.pulls import inventory as listing
from proxy.retrieval.pulls.asking import Stopped
from proxy.retrieval.pulls.book import Result
from proxy.retrieval.pulls.inventory import Image, Inventory, Keys, Target, TooMany
from proxy.retrieval.pulls.shelf import Shelf
from proxy.retrieval.pulls.throttle import Pace

GET, MOVE = "get", "move"
SETTLES: Final = 5.0  # seconds without another arrival, after which a C-MOVE has brought what it brings
LOOK_EVERY: Final = 0.2

CANARY_LOST = (
    "The canary, one image asked for by C-MOVE, did not reach us within {seconds:g} s: nothing more is asked. At the "
    "PACS, look where its entry for the AE title {ae} leads: it must be this machine, on the port on which `listen` "
    "runs; if it is another machine, that one has now got an image with its patient's name. Here, look whether "
    "`listen` runs, and whether it turned the PACS away (`doctor`)."
)
ASTRAY = (
    "The PACS says that it moved images of a study, and none of them is here: nothing more is asked. Look where its "
    "entry for the AE title {ae} leads now, and whether `listen` took them."
)
CANARY_REFUSED = (
    "The canary, one image asked for by C-MOVE, did not come: nothing more is asked. {why} Look whether the PACS's "
    "entry for the AE title {ae} leads to this machine, on the port on which `listen` runs."
)
NO_CANARY = (
    "The PACS does not list single images, so that no canary can be asked for, and without one nothing is asked for by "
    "C-MOVE: it might go to another machine."
)
NOT_LISTED = "The PACS says that it has {said} images and gave {arrived}."
FEWER_LISTED = "The PACS says that it has {said} images and lists {listed}."
MISSING = "{missing} of {said} images are not here."
REFUSED_HERE = "{count} were refused here: see the log."
TOO_MANY = "The PACS lists more images than any study has: it was not asked for them."


@dataclass(frozen=True, slots=True)
class Means:
    peer: Peer
    called_ae: str
    door: Door
    shelf: Shelf
    accepted: Sequence[str]  # SOP classes, as the listener's
    by: str = ""  # GET or MOVE if nothing else will do
    canary_within: float = 30.0  # seconds
    pace: Pace = field(default_factory=Pace)
    tell: Callable[[], None] = lambda: None  # an image is on its way

    @classmethod
    def of(cls, peer: Peer, called_ae: str, door: Door, project_id: int, accepted: Sequence[str]) -> "Means":
        return cls(peer, called_ae, door, Shelf(project_id), accepted_classes(accepted))


@dataclass(slots=True)
class Bringing:
    means: Means
    _by: str = field(init=False, default="")
    _canary_came: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._by = self.means.by

    def bring(self, target: Target, said: int | None) -> Result:
        """Raises Lost, to be tried again, and Stopped."""
        try:
            with closing(Inquiry(self.means.peer)) as inquiry:
                inventory = listing.taken(inquiry, target)
        except TooMany:
            return Result(said, 0, why=TOO_MANY)
        return self._counted(inventory, said) if inventory.images else self._uncounted(target, said)

    # --- held against the PACS's own list -----------------------------------------------------------

    def _counted(self, inventory: Inventory, said: int | None) -> Result:
        images = inventory.images
        wanted = {image.uid for image in images if self._is_accepted(image)}
        here, why = self._brought(inventory, wanted)
        told = []
        if (said or 0) > len(images):
            told.append(FEWER_LISTED.format(said=said, listed=len(images)))
        if here < len(wanted):
            told += [MISSING.format(missing=len(wanted) - here, said=len(images)), *filter(None, [why])]
        return Result(len(images), here, len(images) - len(wanted), " ".join(told))

    def _brought(self, inventory: Inventory, wanted: set[str]) -> tuple[int, str]:
        """How many are here, and what went wrong last. What is missing is asked for once more, where that may help."""
        here, why = self.means.shelf.holds(wanted), ""
        for syntaxes in (SYNTAXES, COMPRESSED_FIRST):
            if here == wanted:
                break
            before, fetched = len(here), self._fetched(inventory, wanted - here, syntaxes)
            here, why = self.means.shelf.holds(wanted), fetched.why
            if len(here) == before and not fetched.failed:
                break
        return len(here), why

    def _is_accepted(self, image: Image) -> bool:
        return not image.sop_class or image.sop_class in self.means.accepted

    def _fetched(self, inventory: Inventory, missing: set[str], syntaxes: Sequence[str]) -> "_Fetched":
        requests = listing.requests(inventory, missing)
        if self._by != MOVE:
            classes = {image.sop_class for image in inventory.images if image.uid in missing}
            try:
                return self._by_get(requests, self._proposed(classes), syntaxes)
            except GetNotOffered:
                self._fall_back()
        self._send_canary(inventory, missing)
        return self._by_move(requests, missing)

    def _proposed(self, classes: set[str]) -> Sequence[str]:
        return self.means.accepted if "" in classes else sorted(classes)

    def _fall_back(self) -> None:
        """Raises Stopped where nothing else will do."""
        if self._by == GET:
            raise Stopped(GET_NOT_OFFERED)
        self._by = MOVE

    # --- by C-GET -------------------------------------------------------------------------------------

    def _by_get(
        self, requests: Sequence[Keys], classes: Sequence[str], syntaxes: Sequence[str]
    ) -> "_Fetched":
        with closing(self._fetching(classes, syntaxes)) as fetching:
            ends = [fetching.fetch(keys) for keys in requests]
            refused = fetching.taken.refused
        failed = any((one.counts.failed or 0) > refused for one in ends)
        return _Fetched(_told(ends, refused), failed)

    def _fetching(self, classes: Sequence[str], syntaxes: Sequence[str] = SYNTAXES) -> Fetching:
        means = self.means
        return Fetching(means.peer, classes, means.door, means.called_ae, self._an_image, syntaxes)

    def _an_image(self) -> None:
        self.means.tell()
        self.means.pace()

    def _uncounted(self, target: Target, said: int | None) -> Result:
        """The PACS does not list images: what it says of their number is all there is."""
        if self._by == MOVE:
            raise Stopped(NO_CANARY)
        try:
            with closing(self._fetching(self.means.accepted)) as fetching:
                ended = fetching.fetch(listing.study_keys(target))
        except GetNotOffered:
            self._fall_back()
            raise Stopped(NO_CANARY) from None
        taken = fetching.taken
        why = _told([ended], taken.refused)
        if not why and taken.stored < (1 if said is None else said):
            why = NOT_LISTED.format(said="some" if said is None else said, arrived=taken.stored)
        return Result(said, taken.stored, why=why)

    # --- by C-MOVE ------------------------------------------------------------------------------------

    def _by_move(self, requests: Sequence[Keys], missing: set[str]) -> "_Fetched":
        ends = []
        with closing(self._moving(_Growing(self.means.shelf, missing))) as moving:
            for keys in requests:
                ends.append(moving.fetch(keys, self._moved))
                self.means.pace(ends[-1].counts.given)
        if not self._settled(missing) and any(one.counts.given for one in ends):
            raise Stopped(ASTRAY.format(ae=self.means.called_ae))
        return _Fetched(_told(ends, 0))

    def _moving(self, alive: Alive = lambda: False) -> Moving:
        return Moving(self.means.peer, self.means.called_ae, alive)

    def _moved(self, counts: Counts) -> None:
        self.means.tell()

    def _settled(self, missing: set[str]) -> int:
        """How many came. Some PACS say that they are done before the last images are here."""
        growing, moved_at = _Growing(self.means.shelf, missing), time.monotonic()
        while growing.here < len(missing) and time.monotonic() < moved_at + SETTLES:
            time.sleep(LOOK_EVERY)
            if growing():
                moved_at = time.monotonic()
        return growing.here

    def _send_canary(self, inventory: Inventory, missing: set[str]) -> None:
        """Raises Stopped unless one image reaches us."""
        if self._canary_came:
            return
        series, uid = next(
            (one.uid, image.uid) for one in inventory.series for image in one.images if image.uid in missing
        )
        try:
            with closing(self._moving()) as moving:
                ended = moving.fetch(listing.image_keys(inventory.target, series, [uid]))
        except Lost as lost:
            raise Stopped(CANARY_REFUSED.format(why=lost, ae=self.means.called_ae)) from None
        if ended.why:
            raise Stopped(CANARY_REFUSED.format(why=ended.why, ae=self.means.called_ae))
        self._await_canary(uid)
        self._canary_came = True

    def _await_canary(self, uid: str) -> None:
        deadline = time.monotonic() + self.means.canary_within
        while not self.means.shelf.holds([uid]):
            if time.monotonic() > deadline:
                told = CANARY_LOST.format(seconds=self.means.canary_within, ae=self.means.called_ae)
                raise Stopped(told)
            time.sleep(LOOK_EVERY)


@dataclass(frozen=True, slots=True)
class _Fetched:
    """What went wrong, if anything did; `failed`: the peer could not send what it was ready to send."""

    why: str = ""
    failed: bool = False


@dataclass(slots=True, repr=False)
class _Growing:
    """Whether more of these are here than when it was asked last."""

    shelf: Shelf
    wanted: set[str]
    here: int = field(init=False)

    def __post_init__(self) -> None:
        self.here = len(self.shelf.holds(self.wanted))

    def __call__(self) -> bool:
        before, self.here = self.here, len(self.shelf.holds(self.wanted))
        return self.here > before


def _told(ends: Sequence[Ended], refused: int) -> str:
    """Each reason once."""
    said = dict.fromkeys(one.why for one in ends if one.why)
    if refused:
        said[REFUSED_HERE.format(count=refused)] = None
    return " ".join(said)

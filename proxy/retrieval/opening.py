"""The seals of images that are given one after the other, opened and read some at a time.

What is done between two images of half a megabyte is done with cold caches, and costs three times as much as the same
done twenty times in a row (docs/performance.md).
"""

from collections.abc import Callable, Sequence
from typing import Final

from proxy.deid import DeidError, seal
from proxy.deid.seal import Opened
from proxy.storage.errors import SealBroken
from proxy.storage.keys import KeysMissing
from proxy.vault.reidentify import Unknown
from proxy.vault.seals import Forgotten, NoSeal

TOGETHER: Final = 25
ENOUGH: Final = 1 << 20
"""Bytes: a seal may hold the pixels that a mask covers."""
TROUBLES: Final = (DeidError, NoSeal, Forgotten, Unknown, SealBroken, KeysMissing)


class Seals:
    """Of these images, in the order in which they will be asked for; `reading` some gives what opens each of them."""

    def __init__(
        self, uids: Sequence[str], reading: Callable[[Sequence[str]], Callable[[str], bytes]]
    ) -> None:
        self._uids, self._reading = uids, reading
        self._places = {uid: place for place, uid in enumerate(uids)}
        self._found: dict[str, Opened | Exception] = {}

    def take(self, uid: str) -> Opened:
        """Each once. Raises one of TROUBLES."""
        if uid not in self._found:
            self._open(self._places[uid])
        found = self._found.pop(uid)
        if isinstance(found, Exception):
            raise found
        return found

    def _open(self, first: int) -> None:
        together, size = self._uids[first : first + TOGETHER], 0
        plain = self._reading(together)
        for uid in together:
            try:
                sealed = plain(uid)
                self._found[uid] = seal.read(sealed)
            except TROUBLES as trouble:
                self._found[uid] = trouble
                continue
            size += len(sealed)
            if size > ENOUGH:
                break

"""Say the same thing once a minute, however often it happens: a flood of callers must not become a flood of lines."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

QUIET_FOR = 60.0  # seconds
MOST_KEPT = 1_000  # different things to say


class Sparing:
    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._lock = threading.Lock()
        self._said: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when, and how often since

    def warn(self, sentence: str) -> None:
        """With how often it was left unsaid, once there is something to say again."""
        unsaid = self._unsaid(sentence)
        if unsaid is not None:
            more = f" ({unsaid} more times since it was last said)" if unsaid else ""
            self._logger.warning("%s%s", sentence, more)

    def _unsaid(self, sentence: str) -> int | None:
        """None: not now."""
        now = self._clock()
        with self._lock:
            said_at, unsaid = self._said.get(sentence, (float("-inf"), 0))
            if now - said_at < QUIET_FOR:
                self._said[sentence] = (said_at, unsaid + 1)
                return None
            self._said.pop(sentence, None)
            self._said[sentence] = (now, 0)
            while len(self._said) > MOST_KEPT:
                self._said.popitem(last=False)
            return unsaid

"""An association on which a peer may ask for storage commitment, and hears the result while it stands; or on which
it tells us the result of what we asked it.
"""

import logging
import time
from typing import Any

from pynetdicom import evt

from proxy.network.asking import INVALID_ARGUMENT, PROCESSING_FAILURE, SUCCESS, read_request
from proxy.network.commitment import tell
from proxy.network.door import Caller, CommitsStorage, Door, HearsCommitments
from proxy.network.hearing import heard
from proxy.network.inbox import place
from proxy.network.reactor import Association

logger = logging.getLogger(__name__)

TELL_AFTER = 0.5  # seconds in which a peer that asked may hang up, to be called later
TELL_AGAIN = 2.0


class Committing(Association):
    """Whoever builds on this knows the door and the caller before the first message comes."""

    caller: Caller
    _tell_at: float | None = None

    @property
    def door(self) -> Door:
        raise NotImplementedError

    def offers_commitment(self) -> bool:
        """Whether this caller may ask; from now on its requests are heard."""
        if not isinstance(self.door, CommitsStorage) or not self.door.may_commit(self.caller):
            return False
        self.bind(evt.EVT_N_ACTION, self._asked)
        return True

    def hears_commitments(self) -> bool:
        """Whether this caller may tell us what it has committed; from now on it is heard."""
        if not isinstance(self.door, HearsCommitments) or not self.door.may_report(self.caller):
            return False
        self.bind(evt.EVT_N_EVENT_REPORT, self._told_us)
        return True

    def _told_us(self, event: Any) -> tuple[int, None]:
        door, caller = self.door, self.caller
        if not isinstance(door, HearsCommitments):
            return PROCESSING_FAILURE, None
        return heard(event, lambda report: door.commitment_heard(caller, report)), None

    def _asked(self, event: Any) -> tuple[int, None]:
        """The status of the N-ACTION-RSP, which has no information."""
        try:
            information = event.action_information
        except Exception:  # whatever pydicom stumbles over
            return INVALID_ARGUMENT, None
        request = event.request
        asked = read_request(request.ActionTypeID, str(request.RequestedSOPInstanceUID), information)
        return (asked if isinstance(asked, int) else self._kept(asked)), None

    def _kept(self, asked: Any) -> int:
        door, status = self.door, PROCESSING_FAILURE
        try:
            if isinstance(door, CommitsStorage):
                status = door.commitment_asked(self.caller, asked)
        except Exception as error:
            logger.error("A request for commitment is answered with 0x0110: %s.", place(error))
            return PROCESSING_FAILURE
        if status == SUCCESS:
            self._tell_at = time.monotonic() + TELL_AFTER
        return status

    def _next_look(self) -> float | None:
        look = super()._next_look()
        return look if self._tell_at is None else min(self._tell_at, look or self._tell_at)

    def _serve_waiting(self) -> None:
        super()._serve_waiting()
        if self._tell_at is not None and time.monotonic() >= self._tell_at and self.inbox.idle:
            self._tell_what_is_due()

    def _tell_what_is_due(self) -> None:
        self._tell_at = time.monotonic() + TELL_AGAIN
        door = self.door
        while isinstance(door, CommitsStorage) and self.is_established:
            try:
                result = door.commitment_due(self.caller)
                if result is None:
                    return
                door.commitment_told(result, heard=tell(self, result))
            except Exception as error:
                logger.error("A result of commitment was not told: %s; it is tried again.", place(error))
                return

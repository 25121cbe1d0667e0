"""An N-EVENT-REPORT with the result of storage commitment, from the wire to whoever keeps it."""

import logging
from collections.abc import Callable
from typing import Any

from proxy.network.asking import INVALID_ARGUMENT, PROCESSING_FAILURE, Report, read_report
from proxy.network.inbox import place

logger = logging.getLogger(__name__)


def heard(event: Any, hear: Callable[[Report], int]) -> int:
    """The status of the N-EVENT-REPORT-RSP. Whoever does not hear Success tells it again."""
    try:
        information = event.event_information
    except Exception:  # whatever pydicom stumbles over
        return INVALID_ARGUMENT
    request = event.request
    report = read_report(request.EventTypeID, str(request.AffectedSOPInstanceUID), information)
    if isinstance(report, int):
        return report
    try:
        return hear(report)
    except Exception as error:
        logger.error("A result of storage commitment is answered with 0x0110: %s.", place(error))
        return PROCESSING_FAILURE

"""What one process of the crew does: serve the connections it is handed, until told to stop or dismissed."""

import logging
import socket
import threading
from collections.abc import Sequence

from proxy import pipeline
from proxy.management import ports
from proxy.management.stopping import Told
from proxy.network import handing
from proxy.network.door import Door
from proxy.network.scp import Listener
from proxy.network.seats import Board, SharedSeats

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2


def serve(line: socket.socket, board: Board, slot: int, grace: float) -> None:
    """Returns when told to stop, at the latest so many seconds later, or when dismissed and all are gone."""
    told = Told()
    door, close = pipeline.open_reception()
    reports = handing.Reports(line)
    listeners = _listeners(door, reports, board, slot)
    taking = threading.Thread(target=_take, args=(line, listeners), name="taking", daemon=True)
    taking.start()
    reports.ready(listeners[0].rules.settings.max_associations)
    while not told.wait(LOOK_EVERY) and (taking.is_alive() or any(one.active() for one in listeners)):
        pass
    stop(listeners, grace)
    close()


def _listeners(door: Door, reports: handing.Reports, board: Board, slot: int) -> list[Listener]:
    """In the order of their ports; all of them share the seats."""
    opened: list[Listener] = []
    for wanted in ports.wanted():
        seats = SharedSeats(wanted.max_associations, board, slot)
        opened.append(Listener(wanted, door, opened[0].rules.seats if opened else seats, reports))
        opened[-1].open()
    return opened


def _take(line: socket.socket, listeners: Sequence[Listener]) -> None:
    for handed in handing.received(line):
        try:
            address = handed.connection.getpeername()
            listeners[handed.port].take(handed.connection, address, handed.ticket)
        except Exception as error:  # the caller has gone already, or there is no thread left for it
            log.warning("A connection could not be served (%s).", type(error).__name__)
            handed.connection.close()
            listeners[0].rules.doorstep.gone(handed.ticket)


def stop(listeners: Sequence[Listener], grace: float) -> None:
    """All at once: the grace is for all of them together."""
    threads = [threading.Thread(target=one.stop, args=(grace,)) for one in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

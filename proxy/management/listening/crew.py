"""The processes that serve associations, one for each core: started, watched, started again, and exchanged.

Each gets connections over a line of its own and reports what becomes of them. One that ends is started again; what
it served has ended with it, and its senders come again. To change settings a whole new crew is started, and takes
over once all of it is ready; the old one serves what it has, takes nothing new, and ends by itself.
"""

import heapq
import logging
import socket
import time
from collections.abc import Iterator

from proxy.management.supervisor import Child, Service
from proxy.network import handing
from proxy.network.doorstep import Doorstep
from proxy.network.seats import Board

log = logging.getLogger(__name__)


class Server(Child):
    """One process that serves, and what it serves now."""

    def __init__(self, service: Service, board: Board, slots: "Slots", doorstep: Doorstep) -> None:
        super().__init__(service)
        self._board, self._slots, self._doorstep = board, slots, doorstep
        self._slot: int | None = None
        self.line: socket.socket | None = None
        self.tickets: set[int] = set()
        self.ready = False

    def start(self) -> None:
        ours, theirs = handing.pair()
        self.line, self._slot = ours, self._slots.take()
        own = ("--served", str(theirs.fileno()), str(self._board.descriptor), str(self._slot))
        with theirs:
            self.launch((*self.service.command, *own), (theirs.fileno(), self._board.descriptor))

    def stop(self, grace: float) -> None:
        super().stop(grace)
        self._clear_up()

    def _note_end(self, code: int) -> None:
        super()._note_end(code)
        self._clear_up()

    def _clear_up(self) -> None:
        """Its connections have ended with it, and so have its associations."""
        for ticket in self.tickets:
            self._doorstep.gone(ticket)
        self.tickets.clear()
        self.ready = False
        if self.line is not None:
            self.line.close()
            self.line = None
        if self._slot is not None:
            self._board.clear(self._slot)
            self._slots.give_back(self._slot)
            self._slot = None

    def take(self, port: int, ticket: int, connection: socket.socket) -> bool:
        taken = self.line is not None and handing.hand(self.line, port, ticket, connection)
        if taken:
            self.tickets.add(ticket)
        return taken

    def hear(self) -> None:
        for what, ticket in handing.heard(self.line) if self.line is not None else ():
            if what == handing.READY:
                self.ready = True
                self._doorstep.allow(ticket)
            elif what == handing.SEATED:
                self._doorstep.seated(ticket)
            else:
                self.tickets.discard(ticket)
                self._doorstep.gone(ticket)

    def dismiss(self) -> None:
        """Serve what you have, then end."""
        if self.line is not None:
            self.line.shutdown(socket.SHUT_WR)

    @property
    def is_over(self) -> bool:
        """Its process has ended, and has not been started again."""
        return self.process is None or self.process.poll() is not None


class Slots:
    """Which counters of the board are nobody's."""

    def __init__(self) -> None:
        self._free = list(range(Board.SLOTS))

    def take(self) -> int:
        """The lowest: it names the process's log file."""
        return heapq.heappop(self._free)

    def give_back(self, slot: int) -> None:
        heapq.heappush(self._free, slot)


class Crew:
    def __init__(self, service: Service, count: int, doorstep: Doorstep) -> None:
        self._service, self._count, self._doorstep = service, count, doorstep
        self._board, self._slots = Board.made(), Slots()
        self.serving = self._hired()
        self._coming: list[Server] = []
        self._leaving: list[Server] = []

    def _hired(self) -> list[Server]:
        return [Server(self._service, self._board, self._slots, self._doorstep) for _ in range(self._count)]

    def everyone(self) -> Iterator[Server]:
        yield from self.serving
        yield from self._coming
        yield from self._leaving

    def look(self) -> None:
        """Notice who has ended and who is ready; start, start again, take over."""
        for server in self.serving:
            server.look()
        self._look_at_those_who_come()
        for server in [one for one in self._leaving if one.is_over]:
            server.stop(0)
            self._leaving.remove(server)

    def renew(self) -> None:
        """Exchange everybody for processes that have read the settings anew."""
        if self._coming:
            return
        self._coming = self._hired()
        for server in self._coming:
            server.start()

    def _look_at_those_who_come(self) -> None:
        coming = self._coming
        if any(one.is_over for one in coming):
            for one in coming:
                one.stop(5)
            log.error("The new settings cannot be used: the old ones stay in force.")
            self._coming = []
        elif coming and all(one.ready for one in coming):
            log.info("New settings are in force; associations that stand end under the old ones.")
            for one in self.serving:
                one.dismiss()
            self._leaving += self.serving
            self.serving, self._coming = coming, []

    def is_ready(self) -> bool:
        return any(one.ready for one in self.serving)

    def take(self, port: int, ticket: int, connection: socket.socket) -> bool:
        """Hand a connection to whoever has fewest. False: nobody can take it."""
        ready = sorted((one for one in self.serving if one.ready), key=lambda one: len(one.tickets))
        return any(one.take(port, ticket, connection) for one in ready)

    def stop(self, grace: float) -> None:
        """All at once: the grace is for all of them together."""
        everyone = list(self.everyone())
        for one in everyone:
            one.tell_to_stop()
        end = time.monotonic() + grace
        for one in everyone:
            one.stop(max(0.1, end - time.monotonic()))
        self._board.close()

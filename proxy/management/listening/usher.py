"""Accept connections on our ports and show each to a process that serves.

Nothing of a connection is read here, so nobody can make this process wait. While nobody can serve, connections
stay in the kernel's queue.
"""

import logging
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from proxy.management.listening.crew import Crew
from proxy.network.doorstep import Doorstep, caller_at
from proxy.network.sparing import Sparing

log = logging.getLogger(__name__)
sparing = Sparing(log)

BACKLOG = 512
AT_ONCE = 64  # connections accepted before looking at anything else
LOOK_EVERY = 0.2
OUT_OF_DESCRIPTORS = 0.5


def opened(bind: str, port: int) -> socket.socket:
    """A port to accept on; `::` takes callers of IPv4, too, where the system can. Raises OSError when it is taken."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    both = bind == "::" and socket.has_dualstack_ipv6()
    port_socket = socket.create_server((bind, port), family=family, backlog=BACKLOG, dualstack_ipv6=both)
    port_socket.setblocking(False)
    return port_socket


class Usher:
    def __init__(self, ports: Sequence[socket.socket], crew: Crew, doorstep: Doorstep) -> None:
        self._ports, self._crew, self._doorstep = ports, crew, doorstep

    def run(self, is_told: Callable[[], bool], renewal_asked: Callable[[], bool]) -> None:
        """Until told to stop; exchange the crew whenever that is asked."""
        while not is_told():
            if renewal_asked():
                self._crew.renew()
            self._crew.look()
            self._turn()

    def _turn(self) -> None:
        """Wait for something to happen, but not for long."""
        poll = select.poll()
        lines = {one.line.fileno(): one for one in self._crew.everyone() if one.line is not None}
        doors = {door.fileno(): number for number, door in enumerate(self._ports)}
        for descriptor in (*lines, *(doors if self._crew.is_ready() else ())):
            poll.register(descriptor, select.POLLIN)
        for descriptor, _ in poll.poll(LOOK_EVERY * 1000):
            if descriptor in lines:
                lines[descriptor].hear()
            else:
                self._let_in(doors[descriptor])

    def _let_in(self, number: int) -> None:
        with suppress(BlockingIOError):
            for _ in range(AT_ONCE):
                if not self._let_one_in(number):
                    return

    def _let_one_in(self, number: int) -> bool:
        try:
            connection, address = self._ports[number].accept()
        except BlockingIOError:
            raise
        except OSError as error:  # the caller has gone already, or we are out of descriptors
            log.warning("A connection could not be accepted (%s).", type(error).__name__)
            time.sleep(OUT_OF_DESCRIPTORS if not isinstance(error, ConnectionError) else 0)
            return False
        with connection:
            self._show_in(number, connection, caller_at(address)[0])
        return True

    def _show_in(self, number: int, connection: socket.socket, address: str) -> None:
        ticket = self._doorstep.arrive(address)
        if ticket is None:
            sparing.warn(f"Too many connections from {address}, or in all, ask for nothing: one was hung up.")
        elif not self._crew.take(number, ticket, connection):
            self._doorstep.gone(ticket)
            sparing.warn("No process could take a connection: it was hung up.")

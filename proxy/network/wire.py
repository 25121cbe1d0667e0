"""The socket of one association: never blocks by itself, waits only where and as long as it is told.

pynetdicom's wrapper polls, reads 4 KiB at a time and cannot be woken. This one is a subclass with the same
methods, so the state machine uses it unchanged, and adds waiting on the socket and on a wake-up at once.
"""

import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pynetdicom.transport import AddressInformation, AssociationSocket

_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
CLOSED = 0
MOST_PIECES = 1024  # of one sendmsg (IOV_MAX)


class Wire(AssociationSocket):  # type: ignore[misc]
    socket: Any

    def __init__(self, association: Any, patience: float, **where: Any) -> None:
        super().__init__(association, **where)
        self._patience = patience
        self.failure = ""
        self._waking = threading.Lock()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        if self._is_connected:
            self._adopt()

    def _adopt(self) -> None:
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._poll.register(self.socket, select.POLLIN)

    def connect(self, primitive: Any) -> None:
        """As in pynetdicom, but nothing stays open on failure, and `failure` says what went wrong."""
        try:
            self._reach(primitive)
            primitive.result = "Evt2"
        except OSError as error:
            self.failure = _reason(error)
            self._shutdown_socket()
            self.socket = None
            primitive.result = "Evt17"
        self.provider_queue.put(primitive)
        self._ready.set()

    def _reach(self, primitive: Any) -> None:
        self.socket.settimeout(self.assoc.connection_timeout)
        self.socket.connect(primitive.address_info.as_tuple)
        if self.tls_args:
            context, host = self.tls_args
            self.socket = context.wrap_socket(self.socket, server_hostname=host)
        self.assoc.requestor.address_info = AddressInformation.from_tuple(self.socket.getsockname())
        self._is_connected = True
        self._adopt()

    def secure(self, context: ssl.SSLContext, deadline: float) -> bool:
        """Shake hands as a TLS server, before the deadline."""
        plain = self.socket
        self.socket = context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        while True:
            try:
                self.socket.do_handshake()
                return True
            except _WOULD_BLOCK as blocked:
                for_writing = isinstance(blocked, ssl.SSLWantWriteError)
                if not self._wait_raw(select.POLLOUT if for_writing else select.POLLIN, deadline):
                    return False
            except (OSError, ValueError):
                return False

    def certificate_subject(self) -> str | None:
        if not isinstance(self.socket, ssl.SSLSocket):
            return None
        subject: Any = (self.socket.getpeercert() or {}).get("subject", ())
        return ",".join(f"{name}={value}" for part in subject for name, value in part) or None

    def wake(self) -> None:
        """From any thread: whoever waits looks around."""
        with self._waking:  # a descriptor number is given out again as soon as it is closed
            if self._wake >= 0:
                os.eventfd_write(self._wake, 1)

    def wait(self, deadline: float | None) -> None:
        """Until bytes came, somebody woke us, or the deadline passed."""
        if isinstance(self.socket, ssl.SSLSocket) and self.socket.pending():
            return
        self.acknowledge()
        milliseconds = None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000 + 1
        for descriptor, _ in self._poll.poll(milliseconds):
            if descriptor == self._wake:
                with suppress(BlockingIOError):
                    os.eventfd_read(self._wake)

    def acknowledge(self) -> None:
        """A sender with Nagle on holds its last bytes back until we acknowledge: do not let it wait 40 ms."""
        with suppress(OSError, AttributeError):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def read_into(self, room: memoryview) -> int | None:
        """How many bytes came; None when there are none yet, CLOSED when there will never be more."""
        if self.socket is None:
            return CLOSED
        try:
            return int(self.socket.recv_into(room))
        except _WOULD_BLOCK:
            return None
        except ssl.SSLError as error:  # with TLS 1.3 a peer says only now that it wants another certificate
            self.failure = _reason(error)
            return CLOSED
        except (OSError, ValueError):
            return CLOSED

    def send(self, bytestream: bytes) -> None:
        """As in pynetdicom: what cannot be sent closes the connection (Evt17)."""
        if not self.write(bytestream):
            self.event_queue.put("Evt17")

    def write(self, data: bytes | memoryview) -> bool:
        return self.write_all([data])

    def write_all(self, pieces: Sequence[bytes | memoryview]) -> bool:
        """Everything, in order, within our patience; False when that cannot be."""
        left: list[bytes | memoryview] = list(pieces) if self.is_plain else [b"".join(pieces)]
        deadline = time.monotonic() + self._patience
        at = 0
        while at < len(left):
            try:
                at = _skip(left, at, self._push(left[at : at + MOST_PIECES]))
            except _WOULD_BLOCK:
                if not self.writable(deadline):
                    return False
            except (OSError, ValueError, AttributeError):
                return False
        return True

    def _push(self, pieces: list[bytes | memoryview]) -> int:
        return int(self.socket.sendmsg(pieces) if self.is_plain else self.socket.send(pieces[0]))

    @property
    def is_plain(self) -> bool:
        return not isinstance(self.socket, ssl.SSLSocket)

    def writable(self, deadline: float) -> bool:
        return self._wait_raw(select.POLLOUT, deadline)

    def _wait_raw(self, what: int, deadline: float) -> bool:
        poll = select.poll()
        poll.register(self.socket, what)
        return bool(poll.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def _shutdown_socket(self) -> None:
        """pynetdicom forgets to close a socket whose peer has already gone."""
        sock = self.socket
        if sock is None:
            return
        with suppress(OSError, ValueError, KeyError):
            self._poll.unregister(sock)
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()

    def dispose(self) -> None:
        """The association is over: nothing of it stays open."""
        self._shutdown_socket()
        self.socket = None
        with self._waking:
            if self._wake >= 0:
                os.close(self._wake)
                self._wake = -1


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or type(error).__name__})"
    if isinstance(error, TimeoutError):
        return "nobody answered in time"
    return "the connection was refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__


def _skip(pieces: list[bytes | memoryview], at: int, sent: int) -> int:
    """Behind what was sent: the next piece, or what is left of one."""
    while at < len(pieces) and sent >= len(pieces[at]):
        sent -= len(pieces[at])
        at += 1
    if sent:
        pieces[at] = memoryview(pieces[at])[sent:]
    return at

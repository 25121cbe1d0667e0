"""A stretch of network between two peers that can be cut: after so many bytes it goes silent, closes, or resets."""

import select
import socket
import struct
import threading
from typing import Literal

How = Literal["silence", "close", "reset"]
HERE = "127.0.0.1"
NEVER = 1 << 62


class Cutter:
    """Forwards one connection to a port. `up` are the bytes to let pass towards it, `down` those that come back."""

    def __init__(self, target: int, how: How = "close", up: int = NEVER, down: int = NEVER) -> None:
        self._target, self._how = target, how
        self._left = {"up": up, "down": down}
        self.passed = {"up": 0, "down": 0}
        self._door = socket.create_server((HERE, 0))
        self.port: int = self._door.getsockname()[1]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Cutter":
        return self

    def __exit__(self, *trouble: object) -> None:
        self._over.set()
        self._door.close()
        self._thread.join(10)

    def _run(self) -> None:
        self._door.settimeout(10)
        try:
            caller, _ = self._door.accept()
        except OSError:
            return
        with caller, socket.create_connection((HERE, self._target)) as called:
            if self._forward(caller, called):
                self._cut(caller, called)

    def _forward(self, caller: socket.socket, called: socket.socket) -> bool:
        """True once it is to be cut."""
        ways = {caller: ("up", called), called: ("down", caller)}
        while not self._over.is_set():
            for ready in select.select(list(ways), [], [], 0.1)[0]:
                name, other = ways[ready]
                data = ready.recv(min(16_384, max(1, self._left[name])))
                if not data:
                    return False
                if self._left[name] <= 0:
                    return True
                other.sendall(data)
                self.passed[name] += len(data)
                self._left[name] -= len(data)
            if self._left["up"] <= 0:
                return True
        return False

    def _cut(self, caller: socket.socket, called: socket.socket) -> None:
        if self._how == "silence":
            self._over.wait(100)
        for one in (caller, called):
            if self._how == "reset":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            one.close()

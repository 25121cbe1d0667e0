"""Whether a listener is alive: not its port, which the system keeps open when a process hangs, but who reads from it.

An A-ABORT that belongs to no association is answered by closing the connection (PS3.8 table 9-10, AA-2 in Sta2). So
this asks for no association, takes no seat, is refused to nobody and leaves no mark.
"""

import socket
import time
from typing import Final

ABORT: Final = b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00"  # PS3.8 9.3.8, from the user, no reason


def is_alive(host: str, port: int, patience: float) -> bool:
    """Within `patience` seconds."""
    end = time.monotonic() + patience
    try:
        with socket.create_connection((host, port), timeout=patience) as line:
            line.sendall(ABORT)
            while (left := end - time.monotonic()) > 0:
                line.settimeout(left)
                if not line.recv(1024):
                    return True
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return False

"""Under which address the backend's site sees us (P35): facts are gathered, then one is chosen."""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

ROUTES: Final = Path("/proc/net/route")
IN_A_CONTAINER: Final = (Path("/.dockerenv"), Path("/run/.containerenv"))
_DESTINATION, _GATEWAY, _FLAGS = 1, 2, 3  # columns of ROUTES
_UP_AND_GATEWAY: Final = 0x3


@dataclass(frozen=True, slots=True)
class Facts:
    """What the machine says. Empty: it does not say that."""

    setting: str = ""
    is_container: bool = False
    gateway: str = ""
    towards_backend: str = ""
    host_name: str = ""


def choose(facts: Facts) -> str:
    """The setting; in a container its gateway, which is the host; our interface towards the backend; our name."""
    gateway = facts.gateway if facts.is_container else ""
    return facts.setting or gateway or facts.towards_backend or facts.host_name or "localhost"


def gather(setting: str, backend: tuple[str, int]) -> Facts:
    return Facts(
        setting,
        any(mark.exists() for mark in IN_A_CONTAINER),
        gateway(_text(ROUTES)),
        towards(*backend),
        socket.gethostname(),
    )


def gateway(routes: str) -> str:
    """The default gateway in the kernel's table (`/proc/net/route`), whose addresses are little-endian hexadecimal."""
    for line in routes.splitlines()[1:]:
        words = line.split()
        try:
            is_default = words[_DESTINATION] == "00000000"
            if is_default and int(words[_FLAGS], 16) & _UP_AND_GATEWAY == _UP_AND_GATEWAY:
                return str(IPv4Address(int.from_bytes(bytes.fromhex(words[_GATEWAY]), "little")))
        except (IndexError, ValueError):
            continue
    return ""


def towards(host: str, port: int) -> str:
    """The address of ours from which that host would be reached; nothing is sent to find out."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as asking:
            asking.connect(place)
            return str(asking.getsockname()[0])
    except (OSError, IndexError, UnicodeError):
        return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""

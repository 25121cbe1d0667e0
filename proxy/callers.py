"""Where a request comes from: the address that counts, and whether others could read along on the way.

A web server in front of us says both in headers, which anybody can write. They are believed where they come from one
that the site has named (API_TRUSTED_PROXIES).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Caller:
    """`is_private`: nobody on the way can read along. `address` is empty where nothing says it."""

    address: str
    is_private: bool

    @property
    def neighbourhood(self) -> str:
        """What one household has of addresses: a machine with IPv6 has as many as it likes."""
        found = _address(self.address)
        return str(ip_network((found, 64), strict=False)) if isinstance(found, IPv6Address) else self.address


def caller_of(meta: Mapping[str, str], trusted: Sequence[Network], is_secure: bool) -> Caller:
    """`meta` as WSGI says it; `is_secure`: this connection itself is TLS."""
    nearest = _address(meta.get("REMOTE_ADDR", ""))
    forwarded = meta.get("HTTP_X_FORWARDED_FOR", "")
    if not _is_among(nearest, trusted):
        straight = not forwarded and not meta.get("HTTP_FORWARDED", "")
        return Caller(
            str(nearest or ""), is_secure or (straight and nearest is not None and nearest.is_loopback)
        )
    hops = [_address(one.strip()) for one in forwarded.split(",")] if forwarded else []
    found = next((hop for hop in reversed(hops) if not _is_among(hop, trusted)), nearest)
    return Caller(str(found or nearest), meta.get("HTTP_X_FORWARDED_PROTO", "").strip().lower() == "https")


def is_among(address: str, networks: Sequence[Network]) -> bool:
    return _is_among(_address(address), networks)


def _is_among(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in one for one in networks if one.version == address.version)


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found

"""Addresses of the web: who could read along on the way."""

import ipaddress
from urllib.parse import urlsplit


def goes_in_clear(url: str) -> bool:
    """Whoever listens on the way could read along: not https, and not to this machine itself."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

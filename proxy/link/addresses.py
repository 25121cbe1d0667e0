"""Where the backend is, made of ITH_URL: one place for REST, one for the WebSocket."""

from urllib.parse import quote, urlsplit, urlunsplit

WEBSOCKET = "/api/v1/proxy/ws"


def rest(base: str, path: str) -> str:
    return base.rstrip("/") + path


def websocket(base: str, key: str = "") -> str:
    """`wss` for `https`. With `key` it stands in the query: only where the platform takes it nowhere else."""
    parts = urlsplit(base.rstrip("/"))
    scheme = "wss" if parts.scheme == "https" else "ws"
    query = f"proxy_key={quote(key, safe='')}" if key else ""
    return urlunsplit((scheme, parts.netloc, parts.path + WEBSOCKET, query, ""))


def host_and_port(base: str) -> tuple[str, int]:
    parts = urlsplit(base)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)

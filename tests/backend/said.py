"""What a backend says of a small site, for tests to change."""

from typing import Any

PACS = {
    "id": "n1", "name": "PACS", "ae_title": "PACS", "ip_address": "10.1.0.5", "port": 104,
    "is_active": True, "permission": "read_write", "is_reachable": True,
}  # fmt: skip
WARD = {
    "id": "n2", "name": "WARD", "ae_title": "WARD", "ip": "10.1.0.6", "port": 11112,
    "is_active": True, "permission": "write",
}  # fmt: skip


def configuration(*nodes: Any, **changes: Any) -> dict[str, Any]:
    config = {"ip_address": "10.1.0.9", "port": 11112, "ae_title": "POSTERN", "mode": "public"}
    config |= {"enable_phi_anonymization": True, "api_url": "http://10.1.0.9:8080"}
    said = {"id": "p1", "workspace_id": "w1", "name": "East", "description": "", "is_active": True}
    return said | {"metadata": {}, "config": config, "nodes": list(nodes)} | changes

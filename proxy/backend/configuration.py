"""What the backend says about us and our nodes, as values. Only `backend.reading` makes them, of what was checked."""

from dataclasses import dataclass
from typing import Any

READ, WRITE, READ_WRITE = "read", "write", "read_write"
PUBLIC, PRIVATE = "public", "private"


@dataclass(frozen=True, slots=True)
class ToldNode:
    """A node as the backend describes it. `permission` is what the backend's users may do there."""

    id: str
    name: str
    ae_title: str
    host: str
    port: int
    permission: str
    is_active: bool = True

    @property
    def reads(self) -> bool:
        return self.permission in {READ, READ_WRITE}

    @property
    def writes(self) -> bool:
        return self.permission in {WRITE, READ_WRITE}

    @property
    def place(self) -> tuple[str, str, int]:
        return self.ae_title, self.host, self.port

    def as_json(self) -> dict[str, Any]:
        """As the backend says it."""
        return {
            "id": self.id,
            "name": self.name,
            "ae_title": self.ae_title,
            "ip_address": self.host,
            "port": self.port,
            "permission": self.permission,
            "is_active": self.is_active,
        }


@dataclass(frozen=True, slots=True)
class Configuration:
    """`ip_address`, `port`, `ae_title` and `api_url` describe us to others: nothing of ours is bound by them."""

    proxy_id: str = ""
    workspace_id: str = ""
    name: str = ""
    description: str = ""
    is_active: bool = True
    mode: str = PUBLIC
    anonymize: bool = True
    ip_address: str = ""
    port: int = 0
    ae_title: str = ""
    api_url: str = ""
    nodes: tuple[ToldNode, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As the backend says it, so that reading it again gives the same."""
        config = {
            "mode": self.mode,
            "enable_phi_anonymization": self.anonymize,
            "ip_address": self.ip_address or None,
            "port": self.port or None,
            "ae_title": self.ae_title or None,
            "api_url": self.api_url or None,
        }
        return {
            "id": self.proxy_id or None,
            "workspace_id": self.workspace_id or None,
            "name": self.name or None,
            "description": self.description or None,
            "is_active": self.is_active,
            "config": config,
            "nodes": [node.as_json() for node in self.nodes],
        }

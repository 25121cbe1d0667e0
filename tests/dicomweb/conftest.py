from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from proxy.api import authentication, doors
from proxy.backend.remembered import load_table
from proxy.dicomweb import askers
from proxy.dicomweb import doors as ours
from proxy.dicomweb.giving import streaming
from proxy.routing import tokens
from proxy.routing.match import SnapshotCache
from proxy.routing.models import Node
from proxy.routing.site import apply, read
from proxy.tiers import owners
from tests.reception.conftest import data

__all__ = ["data"]

SITE = """
projects: [{name: default, recipe: research}, {name: trial, recipe: basic}]
nodes:
  - {name: VIEWER, ae_title: VIEWER, host: 127.0.0.1, port: 4242, may: [find, retrieve], projects: [default]}
  - {name: CT_EAST, ae_title: CT_EAST, host: 127.0.0.1, port: 4243, may: [store]}
  - {name: MUTE, ae_title: MUTE, host: 127.0.0.1, port: 4244, may: []}
  - {name: AWAY, ae_title: AWAY, host: 10.9.8.7, port: 4245, may: [store, find], networks: [10.9.8.0/24]}
  - name: WARD
    ae_title: WARD
    host: 127.0.0.1
    port: 4246
    may: [find, retrieve]
    view: identified
    networks: [127.0.0.0/8]
    projects: [default]
    grant: {purpose: care, until: 2099-12-31}
destinations: [{name: outbox, kind: folder, path: outbox}]
routes:
  - {called_ae: DICOMRCV, project: default, destinations: [outbox]}
  - {called_ae: TRIAL, project: trial, destinations: [outbox]}
"""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nobody has been here before, and no table is remembered."""
    doors.requests.clear()
    ours.requests.clear()
    authentication.failures.clear()
    streaming._seats = BoundedSemaphore(streaming.AT_ONCE)
    owners.forget()
    askers.cache = SnapshotCache(load_table, lifetime=0)
    yield
    owners.forget()
    askers.cache = SnapshotCache(load_table)


@dataclass(frozen=True)
class Site:
    """A configured house, and the tokens of its nodes."""

    client: Client

    def token(self, node: str, called_ae: str = "DICOMRCV") -> str:
        return tokens.make(Node.objects.get(name=node), called_ae, "test", timezone.now())[1]

    def headers(self, node: str, called_ae: str = "DICOMRCV") -> dict[str, Any]:
        return {"HTTP_AUTHORIZATION": f"Bearer {self.token(node, called_ae)}"}


@pytest.fixture
def site(db: None, data: Path) -> Site:
    apply(read(SITE), "test")
    return Site(Client())

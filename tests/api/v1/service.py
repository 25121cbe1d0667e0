"""Customers of the service, and what they send."""

import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.test import Client
from django.utils import timezone

from proxy.tiers import customers, keys
from proxy.tiers.models import Customer, Usage
from proxy.tiers.table import FREE
from tests.service.sending import form

ANONYMIZE, JOBS = "/v1/anonymize", "/v1/jobs"


@dataclass
class Sender:
    """A customer with a key."""

    customer: Customer
    key: str = field(repr=False)

    def post(self, body: bytes, kind: str, path: str = ANONYMIZE, **headers: str) -> Any:
        said = {"X-API-Key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return read(Client().generic("POST", path, body, content_type=kind, headers=said, CONTENT_TYPE=kind))

    def send(self, files: Iterable[bytes], path: str = ANONYMIZE, **headers: str) -> Any:
        body, kind = form(files)
        return self.post(body, kind, path, **headers)

    def get(self, path: str, **headers: str) -> Any:
        said = {"X-API-Key": self.key, **{name.replace("_", "-"): value for name, value in headers.items()}}
        return read(Client().get(path, headers=said))

    def delete(self, path: str) -> Any:
        return Client().delete(path, headers={"X-API-Key": self.key})

    @property
    def charged(self) -> int:
        return sum(Usage.objects.filter(customer=self.customer).values_list("files", flat=True))


def a_sender(name: str = "acme", tier: str = FREE) -> Sender:
    customer = customers.add(name, "test", timezone.now(), tier=tier)
    return Sender(customer, keys.make(customer, "test", timezone.now()).secret)


def read(answer: Any) -> Any:
    """To its end, as a server does."""
    if answer.streaming:
        answer.whole = b"".join(answer.streaming_content)
    return answer


@dataclass
class Unpacked:
    files: dict[str, bytes]
    report: dict[str, Any]


def unpacked(answer: Any) -> Unpacked:
    assert answer.status_code == 200, answer.content
    content = answer.whole
    assert int(answer["Content-Length"]) == len(content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    return Unpacked(files, json.loads(files.pop("report.json")))


def counted(answer: Any) -> tuple[int, int, int]:
    """Processed, failed, rejected for what is burned in."""
    names = ("X-Files-Processed", "X-Files-Failed", "X-Files-Rejected-BurnedIn")
    return tuple(int(answer[name]) for name in names)  # type: ignore[return-value]

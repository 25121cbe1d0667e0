"""Every operation of the description, asked by a machine that reads it: what is allowed, and what is not.

Over the real server. No operation fails by a fault of ours, and every answer is as the description says. 503 is no
fault: it is what a door says while something is away (no backend, no listener), and it has to be described too.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import Phase
from schemathesis import GenerationMode
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from proxy.api.description import document
from tests.house import House
from tests.management import test_serve as serve

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]

EXAMPLES: Final = 12
AWAY: Final = 503
CHECKS: Final = [status_code_conformance, content_type_conformance, response_schema_conformance]
BEGIN: Final = """
from datetime import timedelta
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from proxy.staff import tokens
from proxy.tiers import customers, keys
from proxy.vault import keyring
from tests.scene import make_scene
keyring.ensure_keys(settings.KEY_DIR)
make_scene()
chief = User.objects.create(username="chief", is_staff=True, is_superuser=True)
now = timezone.now()
print(keys.make(customers.add("acme", "test", now, tier="enterprise"), "test", now).secret)
print(tokens.make(chief, "fuzz", now + timedelta(days=1), "test", now)[1])
"""


@dataclass(frozen=True)
class Server:
    """Where it is, a token of somebody who may everything, and a key of a customer."""

    base: str
    token: str
    key: str

    def credentials(self, one: Any) -> dict[str, str]:
        """As staff where staff may come in, as a customer where customers may; else as nobody whom we know."""
        said = one.definition.raw.get("security", [])
        if {"staff": []} in said:
            return {"Authorization": f"Bearer {self.token}"}
        return {"X-API-Key": self.key} if {"customer": []} in said else {}


@pytest.fixture
def server(house: House) -> Iterator[Server]:
    begun = house.command("shell", "-c", BEGIN)
    assert begun.returncode == 0, begun.stderr
    house.start("web", API_REQUESTS_PER_MINUTE="0", API_DOCS="True")
    serve.until(lambda: serve.answers(house.api_port))
    key, token = begun.stdout.split()[-2:]
    yield Server(f"http://127.0.0.1:{house.api_port}", token, key)


def test_no_operation_fails_or_breaks_its_description(server: Server) -> None:
    schema = schemathesis.openapi.from_dict(document())
    schema.config.generation.update(with_security_parameters=False)  # after ten made-up keys an address waits
    operations: list[Any] = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) == sum(len(said) for said in document()["paths"].values())
    operations.sort(key=ends_what_comes_after)
    troubles: dict[str, str] = {}
    heard: dict[str, set[int]] = {one.label: set() for one in operations}
    with requests.Session() as session:
        for one in operations:
            wide = {"path_parameters": dict.fromkeys(re.findall(r"{(number|revision)}", one.path), "1")}
            for mode, fixed in (
                (GenerationMode.POSITIVE, {}),
                (GenerationMode.NEGATIVE, {}),
                (GenerationMode.POSITIVE, wide),
            ):
                if trouble := asked(one, mode, fixed, server, session, heard[one.label]):
                    troubles.setdefault(one.label, trouble)
    assert not troubles
    let_in = [one for one in operations if server.credentials(one)]
    assert not [one.label for one in let_in if not heard[one.label] - {401}]
    lists = [one.label for one in let_in if one.method == "get" and "{" not in one.path]
    assert lists and not [label for label in lists if 200 not in heard[label]], heard


def ends_what_comes_after(one: Any) -> int:
    """Whoever rotates or revokes the key that they show comes in no more; whose signatures are wrong has to wait."""
    last = [("post", "/v1/keys/rotate"), ("delete", "/v1/keys/{number}"), ("post", "/v1/billing/webhook")]
    asked = (one.method, one.path)
    return last.index(asked) + 1 if asked in last else 0


def asked(
    one: Any, mode: GenerationMode, fixed: Any, server: Server, session: requests.Session, heard: set[int]
) -> str:
    """What is wrong with its answers, or nothing."""

    @hypothesis.given(case=one.as_strategy(generation_mode=mode, **fixed))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=server.base, session=session, headers=server.credentials(one), timeout=20)
        heard.add(answer.status_code)
        assert answer.status_code < 500 or answer.status_code == AWAY, f"{answer.status_code}"
        case.validate_response(answer, checks=CHECKS)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        return ""  # nothing wrong can be sent there
    except Exception as trouble:
        return f"{type(trouble).__name__}: {trouble}"
    return ""

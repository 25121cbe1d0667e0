"""The doors of customers, asked by a machine that reads their description, with a key that opens them."""

from pathlib import Path
from typing import Any, Final

import hypothesis
import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.utils import timezone
from hypothesis import Phase
from pytest_django import Settings
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from proxy.api import authentication, doors
from proxy.api.description import document
from proxy.tiers import customers, keys
from proxy.tiers.models import ApiKey, Customer
from tests.reception.conftest import data
from tests.tiers.stripes import WEBHOOK_SECRET

__all__ = ["data"]

EXAMPLES: Final = 12
OURS: Final = "^/v1/(usage|keys|billing)"
AWAY: Final = 503
CHECKS: Final = [status_code_conformance, content_type_conformance, response_schema_conformance]


def paths() -> list[Any]:
    schema = schemathesis.openapi.from_dict(document()).include(path_regex=OURS)
    schema.app = get_wsgi_application()
    return [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]


def fresh(customer: Customer) -> str:
    """A key that nothing has happened to, and nobody has been here before."""
    ApiKey.objects.all().delete()
    doors.requests.clear()
    authentication.failures.clear()
    keys.make(customer, "test", timezone.now())
    return keys.make(customer, "test", timezone.now()).secret


@pytest.mark.parametrize("is_meant", [True, False])
def test_no_door_of_customers_fails_or_breaks_its_description(
    transactional_db: None, data: Path, settings: Settings, is_meant: bool
) -> None:
    settings.STRIPE_WEBHOOK_SECRET = WEBHOOK_SECRET
    customer = customers.add("acme", "test", timezone.now())
    found = paths()
    assert len(found) == 7
    mode = schemathesis.GenerationMode.POSITIVE if is_meant else schemathesis.GenerationMode.NEGATIVE
    for one in found:
        ask(one, mode, customer)


def ask(one: Any, mode: Any, customer: Customer) -> None:
    @hypothesis.given(case=one.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def each(case: Any) -> None:
        answer = case.call(headers={"X-API-Key": fresh(customer)})
        assert answer.status_code < 500 or answer.status_code == AWAY
        case.validate_response(answer, checks=CHECKS)

    try:
        each()
    except hypothesis.errors.Unsatisfiable:
        assert mode == schemathesis.GenerationMode.NEGATIVE, "nothing wrong can be sent there"

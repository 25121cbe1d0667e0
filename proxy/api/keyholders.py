"""Who asks: a customer of the service, by the key in `X-API-Key`.

Whoever fails too often waits. A key is in no log, no message and no address.
"""

from dataclasses import dataclass
from typing import Any, Final, cast

from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from proxy.api.authentication import failed, spare
from proxy.tiers import keys
from proxy.tiers.models import ApiKey, Customer

CHALLENGE: Final = 'ApiKey realm="postern", header="X-API-Key"'


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """`request.user` of a customer's request; as text, the actor whom the audit names."""

    key: ApiKey

    @property
    def customer(self) -> Customer:
        return self.key.customer

    @property
    def requests_per_minute(self) -> int:
        """Of all doors together; 0 is no limit."""
        return self.customer.allows.requests or 0

    @property
    def account(self) -> str:
        """All keys of a customer are one account."""
        return keys.subject(self.customer)

    def __str__(self) -> str:
        return keys.actor(self.key)


def holder(request: Request) -> KeyHolder:
    """Of a door that lets customers in alone; the framework's types know only Django's users."""
    return cast("KeyHolder", request.user)


class CustomerKey(BaseAuthentication):
    """The user is a `KeyHolder`."""

    def authenticate(self, request: Request) -> tuple[Any, None] | None:
        said = request.META.get("HTTP_X_API_KEY", "")
        if not said:
            return None
        spare(request)
        key = keys.found(said, timezone.now())
        if key is None:
            raise failed(request, CHALLENGE)
        return KeyHolder(key), None

    def authenticate_header(self, request: Request) -> str:
        return CHALLENGE

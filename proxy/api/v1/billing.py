"""`/v1/billing/...`: a customer goes to Stripe's Checkout, and Stripe tells us what came of it."""

import logging
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import bodies
from proxy.api.answers import described
from proxy.api.authentication import MOST_FAILURES
from proxy.api.doors import Door, caller
from proxy.api.keyholders import holder
from proxy.api.permissions import Anybody
from proxy.api.problems import Problem
from proxy.api.v1.codes import OWN
from proxy.api.v1.doors import CustomerDoor
from proxy.rates import Rates
from proxy.tiers import billing, checkout, signed
from proxy.tiers.checkout import AlreadyHas, NotNow, NotSold, Session, Wish
from proxy.tiers.table import ANNUAL, PRO

log = logging.getLogger(__name__)

UNSIGNED: Final = "This is not signed by Stripe for us, so it is not read."
LONGEST: Final = 2_000  # characters of an address
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})

unsigned: Final = Rates()
"""Of addresses, and of nothing else: many may share one with Stripe, or with a customer."""


@extend_schema_field({"type": "string", "format": "uri", "pattern": "^https?://", "maxLength": LONGEST})
class ReturnAddress(serializers.CharField):
    """Where the browser goes after Checkout: https, or this machine."""

    default_error_messages = {"address": "not an address"}

    def to_internal_value(self, data: Any) -> str:
        said = super().to_internal_value(data)
        if not (isinstance(data, str) and said.isascii() and said.isprintable() and _is_address(said)):
            self.fail("address")
        return str(said)


def _is_address(said: str) -> bool:
    try:
        parts = urlsplit(said)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or " " in said or "\\" in said:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and host in HERE)


class CheckoutWanted(serializers.Serializer[Any]):
    success_url = ReturnAddress(max_length=LONGEST, help_text="Where the browser goes after paying: https.")
    cancel_url = ReturnAddress(max_length=LONGEST, help_text="Where it goes after not paying: https.")
    plan = serializers.ChoiceField(
        [PRO, "monthly", ANNUAL], required=False, help_text="pro unless said otherwise."
    )
    customer_email = serializers.EmailField(
        required=False, max_length=254, help_text="Passed on to Stripe, and not kept here."
    )


class CheckoutAnswer(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Stripe's.")
    url = serializers.CharField(help_text="Where the customer pays.")


class Checkout(CustomerDoor):
    @described(CheckoutAnswer, CheckoutWanted, codes=(*OWN, 502))
    def post(self, request: Request) -> Response:
        """Begin a Checkout at Stripe. The tier changes once Stripe has told us, signed, that it is paid."""
        said = bodies.taken(CheckoutWanted, request)
        plan = ANNUAL if said.get("plan") == ANNUAL else PRO
        wish = Wish(plan, said["success_url"], said["cancel_url"], said.get("customer_email", ""))
        match checkout.begin(holder(request).customer, wish):
            case Session() as session:
                return Response({"id": session.id, "url": session.url})
            case NotSold(reason):
                raise Problem(503, "no-billing", reason)
            case AlreadyHas(reason):
                raise Problem(409, "subscribed", reason)
            case NotNow(reason):
                log.warning("%s", reason)
                raise Problem(502, "stripe", "Stripe cannot be asked now; ask again.")


class Raw(BaseParser):
    """The bytes as they came: of these the signature is made."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        return bytes(stream.read(signed.LARGEST + 1))


class HeardAnswer(serializers.Serializer[Any]):
    heard = serializers.BooleanField(help_text="False: it was heard before.")


class Webhook(Door):
    """No count by the minute: Stripe may have much to tell. What is signed is heard whoever else was refused at its
    address; whoever comes unsigned is counted, and waits."""

    permission_classes = (Anybody,)
    throttle_classes = ()
    parser_classes = (Raw,)
    largest_body = signed.LARGEST

    @described(HeardAnswer, OpenApiTypes.OBJECT, codes=(400, 411, 413, 415, 429))
    def post(self, request: Request) -> Response:
        """For Stripe. What is not signed is refused, what was heard before changes nothing."""
        signature = request.META.get("HTTP_STRIPE_SIGNATURE", "")
        body = request.data if isinstance(request.data, bytes) else b""
        said = signed.read(body, signature, settings.STRIPE_WEBHOOK_SECRET)
        if isinstance(said, signed.NotBelieved):
            _refuse(request, said)
        return Response({"heard": billing.hear(said, timezone.now()).is_new})


def _refuse(request: Request, why: signed.NotBelieved) -> NoReturn:
    if wait := unsigned.take(caller(request).neighbourhood, MOST_FAILURES):
        raise Problem(429, "too-many-requests", UNSIGNED, wait)
    log.warning("a call of the billing webhook was refused: %s", why.reason)
    raise Problem(400, "not-signed", UNSIGNED)

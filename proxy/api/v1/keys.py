"""`/v1/keys`: the keys of a customer, by whoever shows one of them. A new key is in one answer, once."""

from datetime import timedelta
from typing import Any, Final

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import bodies
from proxy.api.answers import KNOWN, described, problems
from proxy.api.keyholders import holder
from proxy.api.problems import Problem
from proxy.api.v1 import times
from proxy.api.v1.codes import OWN
from proxy.api.v1.doors import CustomerDoor
from proxy.tiers import keys
from proxy.tiers.models import ApiKey

ONE: Final = (401, 404, 409, 429)
MOST_HOURS: Final = keys.LONGEST_GRACE // timedelta(hours=1)
LABEL: Final = r"^[\w .:@/+-]*\Z"

LAST: Final = "This is the only key that is accepted: make another one first."
ROTATED: Final = "This key was rotated or revoked already."


class KeyWanted(serializers.Serializer[Any]):
    label: Any = serializers.RegexField(
        LABEL, required=False, allow_blank=True, max_length=64, help_text="What it is for."
    )


class RotationWanted(serializers.Serializer[Any]):
    grace_hours = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=MOST_HOURS,
        help_text="So long the old key is accepted, too; 24 unless you say otherwise.",
    )


class KeyFacts(serializers.Serializer[Any]):
    number = serializers.IntegerField()
    prefix = serializers.CharField(help_text="How it begins.")
    label: Any = serializers.CharField()
    made_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    used_on = serializers.DateField(allow_null=True, help_text="Last, as a day of UTC.")
    is_this = serializers.BooleanField(help_text="The key of this request.")


class KeysAnswer(serializers.Serializer[Any]):
    results = KeyFacts(many=True)


class NewKey(KeyFacts):
    key = serializers.CharField(help_text="The key itself. Nobody can show it again.")


def _made(asked: Any) -> Any:
    return extend_schema(request=asked, responses={201: NewKey, **problems(OWN)})


class Keys(CustomerDoor):
    @described(KeysAnswer, codes=KNOWN)
    def get(self, request: Request) -> Response:
        """Your keys that are accepted, the newest first."""
        mine: ApiKey = holder(request).key
        rows = keys.accepted(mine.customer, timezone.now()).order_by("-pk")
        return Response({"results": [facts(one, mine) for one in rows]})

    @_made(KeyWanted)
    def post(self, request: Request) -> Response:
        """One more key for the same project. It is shown in this answer and nowhere else."""
        label = bodies.taken(KeyWanted, request).get("label", "")
        mine: ApiKey = holder(request).key
        try:
            made = keys.make(mine.customer, str(holder(request)), timezone.now(), label)
        except keys.TooManyKeys as many:
            raise Problem(409, "too-many-keys", str(many)) from None
        return _shown(made, mine)


class Rotation(CustomerDoor):
    @_made(RotationWanted)
    def post(self, request: Request) -> Response:
        """A new key in the place of the one you show, which is accepted for a while yet. Pseudonyms stay the same."""
        hours = bodies.taken(RotationWanted, request).get("grace_hours", keys.GRACE // timedelta(hours=1))
        mine: ApiKey = holder(request).key
        try:
            made = keys.rotate(mine, str(holder(request)), timezone.now(), timedelta(hours=hours))
        except keys.TooManyKeys as many:
            raise Problem(409, "too-many-keys", str(many)) from None
        if made is None:
            raise Problem(409, "rotated-already", ROTATED)
        return _shown(made, mine)


class OneKey(CustomerDoor):
    @extend_schema(responses={204: None, **problems(ONE)})
    def delete(self, request: Request, number: str) -> Response:
        """Revoke a key of yours, at once. The last one that is accepted stays."""
        mine, now = holder(request).key, timezone.now()
        row = keys.accepted(mine.customer, now).filter(pk=int(number)).first()
        if row is None:
            raise Problem(404, "not-found", "You have no such key.")
        if not keys.revoke_if_not_last(row, str(holder(request)), now):
            raise Problem(409, "last-key", LAST)
        return Response(status=204)


def _shown(made: keys.Made, mine: ApiKey) -> Response:
    return Response({**facts(made.key, mine), "key": made.secret}, status=201)


def facts(one: ApiKey, mine: ApiKey) -> dict[str, Any]:
    return {
        "number": one.pk,
        "prefix": one.prefix,
        "label": one.label,
        "made_at": times.said(one.made_at),
        "expires_at": times.said(one.expires_at),
        "used_on": one.used_on.isoformat() if one.used_on else None,
        "is_this": one.pk == mine.pk,
    }

"""`/v1/jobs/webhook`: where a customer is told that a job has ended."""

from typing import Any, Final

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api import bodies
from proxy.api.keyholders import holder
from proxy.api.problems import Problem, Wrong
from proxy.api.v1 import described
from proxy.api.v1.doors import CustomerDoor
from proxy.service import hooks

WRONG: Final = "Some of what was sent cannot be taken as it is; see errors."


class Wish(serializers.Serializer[Any]):
    url = serializers.CharField(max_length=hooks.LONGEST, help_text="Begins with https://.")


class Webhook(CustomerDoor):
    @described.hook(Wish)
    def put(self, request: Request) -> Response:
        """Tell the end of each job there. The answer holds the secret that signs, this once."""
        url = bodies.taken(Wish, request)["url"]
        if why := hooks.objection(url):
            raise Problem(400, "invalid", WRONG, errors=(Wrong("url", "not-allowed", why),))
        who = holder(request)
        return Response({"secret": hooks.lead_to(who.customer, url, timezone.now(), str(who))})

    @described.END_HOOK
    def delete(self, request: Request) -> Response:
        """Tell nothing from now on."""
        who = holder(request)
        hooks.remove(who.customer, str(who))
        return Response(status=204)

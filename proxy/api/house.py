"""`GET /api/health/`: for whoever watches over us, without a word on how we are set up."""

from typing import Any, Final

from rest_framework.request import Request
from rest_framework.response import Response

from proxy.api.answers import HealthAnswer, described
from proxy.api.doors import Door
from proxy.api.looking import Look, Looker
from proxy.api.permissions import Anybody

looker: Final = Looker()


class Health(Door):
    """Not counted by the minute: several watchers may share an address, and an answer is remembered for seconds."""

    permission_classes = (Anybody,)
    throttle_classes = ()

    @described(HealthAnswer, badly=HealthAnswer)
    def get(self, request: Request) -> Response:
        """Whether listener, database and disks do what they should; asked at most every three seconds."""
        found = looker.look()
        return Response(said(found), status=200 if found.is_well else 503)


def said(found: Look) -> dict[str, Any]:
    words = {name: "ok" if is_well else "failing" for name, is_well in found.parts.items()}
    return {"status": "healthy" if found.is_well else "unhealthy", "service": "postern", "checks": words}

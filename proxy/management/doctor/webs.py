"""Destinations of the web: what they need from us is there, the line to them is closed to others, they answer."""

from collections.abc import Iterator

from django.conf import settings

from proxy.deliveries.addresses import Platform, Web
from proxy.deliveries.agents.web.probe import knock
from proxy.deliveries.directions import address_of
from proxy.management.doctor.findings import Finding, fail, ok, warn
from proxy.network.addresses import goes_in_clear
from proxy.routing.models import Destination, Route

ASKED = "/studies?limit=1"


def examine_webs() -> Iterator[Finding]:
    """The backend itself is asked elsewhere; here, whether anything could go there."""
    kinds = (Destination.DICOMWEB, Destination.BACKEND)
    for row in Destination.objects.filter(retired_at=None, kind__in=kinds).order_by("name"):
        yield from _examine(row)
    yield from _unrouted()


def _unrouted() -> Iterator[Finding]:
    if not (settings.ITH_URL and settings.ITH_TOKEN):
        return
    there = {"destinations__kind": Destination.BACKEND, "destinations__retired_at": None}
    if not Route.objects.filter(retired_at=None, **there).exists():
        yield warn(
            "web-peer", "ITH_URL is set, and no route delivers to the backend; name it in the site file."
        )


def _examine(row: Destination) -> Iterator[Finding]:
    to = address_of(row)
    if not isinstance(to, Web | Platform):
        reason = getattr(to, "reason", "")
        yield fail("web-peer", f"destination {row.name} gets nothing: {reason}")
        return
    if goes_in_clear(to.url):
        yield warn("web-peer", f"destination {row.name} is sent images in clear, by http://; use https://.")
    if isinstance(to, Web):
        yield _knocked(row, to)


def _knocked(row: Destination, to: Web) -> Finding:
    found = knock(to, ASKED)
    if found.answers:
        return ok("web-peer", f"{row.name} {found.sentence}")
    return fail("web-peer", f"{row.name}: {found.sentence} Its deliveries wait.")

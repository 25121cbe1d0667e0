"""Destinations of the web: what they need from us is there, the line to them is closed to others, they answer."""

from collections.abc import Iterator

from proxy.deliveries.addresses import Web
from proxy.deliveries.agents.web.probe import knock
from proxy.deliveries.directions import address_of
from proxy.management.doctor.findings import Finding, fail, ok, warn
from proxy.network.addresses import goes_in_clear
from proxy.routing.models import Destination

ASKED = "/studies?limit=1"


def examine_webs() -> Iterator[Finding]:
    for row in Destination.objects.filter(retired_at=None, kind=Destination.DICOMWEB).order_by("name"):
        yield from _examine(row)


def _examine(row: Destination) -> Iterator[Finding]:
    to = address_of(row)
    if not isinstance(to, Web):
        reason = getattr(to, "reason", "")
        yield fail("web-peer", f"destination {row.name} gets nothing: {reason}")
        return
    if goes_in_clear(to.url):
        yield warn("web-peer", f"destination {row.name} is sent images in clear, by http://; use https://.")
    found = knock(to, ASKED)
    if found.answers:
        yield ok("web-peer", f"{row.name} {found.sentence}")
    else:
        yield fail("web-peer", f"{row.name}: {found.sentence} Its deliveries wait.")

"""The doors for programs: what of them is loose, and whether the backend's users get through."""

from collections.abc import Iterator
from datetime import date
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from proxy.backend import remembered
from proxy.backend.models import UserRight
from proxy.management.doctor.findings import Finding, count, ok, warn


def examine_doors() -> Iterator[Finding]:
    found = [*_loose(), *_users(date.today())]
    yield from found or [ok("api", "no door is open wider than it has to be.")]


def _loose() -> Iterator[Finding]:
    if settings.API_DOCS:
        yield warn(
            "api", "API_DOCS shows the description of all doors to anybody; take it out in production."
        )
    if settings.API_IDENTITIES_BY_HTTP:
        yield warn(
            "api", "API_IDENTITIES_BY_HTTP lets others read along when identities are answered; use https."
        )
    if any(not one.prefixlen for one in settings.API_TRUSTED_PROXIES):
        yield warn("api", "API_TRUSTED_PROXIES believes everybody; name your web server alone.")


def _users(today: date) -> Iterator[Finding]:
    rights = UserRight.objects.filter(project__retired_at=None)
    in_force, over = rights.filter(until__gte=today).count(), rights.filter(until__lt=today).count()
    if over:
        yield warn(
            "api", f"{count(over, 'right')} of the backend's users has run out; renew or delete in the admin."
        )
    if not in_force:
        return
    if not settings.ITH_URL:
        yield warn(
            "api", "users of a backend have rights here, and ITH_URL names none that could confirm them."
        )
        return
    yield ok("api", f"{count(in_force, 'right')} of the backend's users to see identities in force.")
    yield from _reached()


def _reached() -> Iterator[Finding]:
    """Whether the users of those rights can get here, as the backend tells them where we are."""
    told = remembered.last_known()
    if not (told.proxy_id and told.workspace_id):
        yield warn(
            "api", "the backend has not said which proxy we are, so it can confirm nobody; look at `link`."
        )
    host = urlsplit(told.api_url).hostname or ""
    if host and not validate_host(host, settings.ALLOWED_HOSTS):
        yield warn(
            "api", f"the backend's users reach us as {host}, which ALLOWED_HOSTS does not let in; add it."
        )

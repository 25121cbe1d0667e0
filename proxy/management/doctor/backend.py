"""How we stand with the backend, if there is one."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from proxy.backend.models import Outgoing, Standing
from proxy.deliveries.directions import backend_in_clear
from proxy.link import rest
from proxy.management.doctor.findings import Finding, count, fail, ok, warn
from proxy.network.addresses import goes_in_clear

SILENT = timedelta(minutes=2)


def examine_backend() -> Iterator[Finding]:
    if not settings.ITH_URL:
        return
    if not settings.ITH_TOKEN:
        yield fail("backend", "ITH_URL is set and ITH_TOKEN is not; take it from the backend's dashboard.")
        return
    yield from _address()
    yield _answer(rest.configuration(settings.ITH_URL, settings.ITH_TOKEN))
    yield from _remembered(Standing.objects.filter(pk=1).first())


def _address() -> Iterator[Finding]:
    if goes_in_clear(settings.ITH_URL) and not backend_in_clear():
        yield warn("backend", "ITH_URL is no https: our token and all we say go in the clear.")
    if settings.ITH_WS_KEY_IN_QUERY:
        yield warn("backend", "ITH_WS_KEY_IN_QUERY puts our token into an address; addresses are logged.")


def _answer(answer: rest.Said | rest.Trouble) -> Finding:
    if isinstance(answer, rest.Trouble):
        return fail("backend", answer.reason)
    return ok("backend", "it answers and accepts our key.")


def _remembered(row: Standing | None) -> Iterator[Finding]:
    if row is None or row.known_at is None:
        yield warn("backend", "it has never given us a configuration; start `manage.py link`.")
        return
    yield ok("backend", f"its last configuration is of {row.known_at:%Y-%m-%d %H:%M} UTC.")
    if not row.is_active:
        yield fail("backend", "it has set this proxy inactive: every association is refused.")
    for field, reason in row.refused:
        yield warn("backend", f"refused {field}: {reason}")
    yield _line(row)


def _line(row: Standing) -> Finding:
    if row.connected_at is None or row.heard_at is None or timezone.now() - row.heard_at > SILENT:
        waiting = count(Outgoing.objects.count(), "message")
        return warn("backend", f"its WebSocket does not stand, {waiting} waiting; look at `manage.py link`.")
    return ok("backend", f"its WebSocket stands since {row.connected_at:%Y-%m-%d %H:%M} UTC.")

"""Where do alerts go, does anybody look, and what is open?"""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from proxy.alerts import channels
from proxy.alerts.lifecycle import GIVEN_UP, RAISED, STILL
from proxy.alerts.models import Alert, Look, Notice
from proxy.alerts.rules import BY_NAME
from proxy.management.doctor.findings import Finding, count, fail, ok, warn
from proxy.network.addresses import is_loopback

SILENT = timedelta(minutes=10)
LATELY = timedelta(days=1)


def examine_alerts() -> Iterator[Finding]:
    yield from _channels()
    yield from _settings()
    yield from _looks()
    open_ones = Alert.objects.filter(state__in=[RAISED, STILL]).count()
    if open_ones:
        said = "open: `manage.py alerts` or the admin's page Alerts says what to do."
        yield warn("alerts", f"{count(open_ones, 'alert')} {said}")


def _channels() -> Iterator[Finding]:
    for one in channels.in_force():
        lost = Notice.objects.filter(channel=one.name, made_at__gte=timezone.now() - LATELY)
        row = lost.exclude(reason="").order_by("-pk").first()
        if row is None:
            yield ok("alerts", f"they go by {one.name} to {one.place()}; `alerts --test` tries it.")
        else:
            what = "were given up" if row.state == GIVEN_UP else "had to be tried again"
            yield warn("alerts", f"by {one.name} to {one.place()} some {what} since yesterday: {row.reason}")
    if not channels.in_force():
        yield warn("alerts", "nobody is told: set ALERT_EMAIL_TO or ALERT_WEBHOOK_URL.")


def _settings() -> Iterator[Finding]:
    for name in settings.ALERT_RULES_OFF:
        if name not in BY_NAME:
            yield fail("alerts", f"ALERT_RULES_OFF names {name}, and there is no such rule.")
    if settings.ALERT_EMAIL_TO and settings.EMAIL_SECURITY == "none" and not is_loopback(settings.EMAIL_HOST):
        yield warn("alerts", "EMAIL_SECURITY is none: mail goes in clear to another machine.")
    parts = urlsplit(settings.ALERT_WEBHOOK_URL)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        yield warn("alerts", "ALERT_WEBHOOK_URL is no https: alerts go in clear to another machine.")


def _looks() -> Iterator[Finding]:
    """Rules look while `work` runs."""
    last = Look.objects.order_by("-looked_at").values_list("looked_at", flat=True).first()
    if last is None:
        yield warn("alerts", "no rule has ever looked; start `manage.py work`.")
    elif timezone.now() - last > SILENT:
        yield fail(
            "alerts", f"no rule has looked since {last:%Y-%m-%d %H:%M} UTC; does `manage.py work` run?"
        )

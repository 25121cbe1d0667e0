"""Images in quarantine, by the gate that holds them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db.models import Count, Min

from proxy.alerts.findings import HOUR, MINUTE, Finding, Rule, counted
from proxy.quarantine.lifecycle import HELD
from proxy.quarantine.models import HeldItem


def held(now: datetime) -> Iterator[Finding]:
    rows = HeldItem.objects.filter(state=HELD, file_gone_at=None).order_by()
    found = rows.values_list("code").annotate(images=Count("pk"), since=Min("held_at"), goes=Min("goes_at"))
    for code, images, since, goes in found:
        said = f"{counted(images, 'image')} held, the first since {since:%Y-%m-%d %H:%M} UTC."
        ends = f" Retention lets the first go on {goes:%Y-%m-%d}." if goes else ""
        yield Finding(code, said + ends, images)


RULES: Final = (
    Rule(
        "quarantine",
        "images are in quarantine",
        "Look at them on the admin's page Held items, and release or discard them. If a gate holds what it should not,"
        " change the project's recipe.",
        held,
        patience=5 * MINUTE,
        calm=4 * HOUR,
    ),
)

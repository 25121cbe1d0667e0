"""What is told, read at each scrape: several processes work here, and the database is what they have in common.

A name of the site (a destination, a rule, a gate) is all that a label holds. What is not there is told as 0, so that an
expression over time has no gaps.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from proxy.alerts.lifecycle import CLEARED, SEEN
from proxy.alerts.models import Alert
from proxy.alerts.rules import RULES
from proxy.alerts.rules.disks import NAMES, volume_of
from proxy.api import house
from proxy.books.balance import balance
from proxy.deliveries import lifecycle as delivery_life
from proxy.deliveries.ledger import Line
from proxy.deliveries.models import Delivery
from proxy.quarantine import lifecycle as held_life
from proxy.quarantine.models import HeldItem
from proxy.routing.backoff import RESTS_AFTER
from proxy.routing.models import Destination
from proxy.studies import lifecycle as study_life
from proxy.studies.models import Revision

UNDER_WAY: Final = (delivery_life.WAITING, delivery_life.CLAIMED, delivery_life.REFUSED)
NOT_RELEASED: Final = (study_life.RECEIVING, study_life.COMPLETE, study_life.REVIEW)
ACCOUNTS: Final = ("received", "delivered", "excluded", "held", "in_flight", "committed", "expired")


def figures() -> Iterator[Metric]:
    look = house.looker.look()
    yield InfoMetricFamily("postern", "What runs here.", value={"version": settings.PROXY_VERSION})
    yield _by("postern_well", "1 if this part does what it should.", "part", look.parts)
    if not look.parts["database"]:
        return  # nor is anybody asked while something hangs: then all parts fail
    yield from _books(balance())
    yield from _destinations(timezone.now())
    yield from _waiting_for_somebody()
    yield from _disks()


def _books(lines: Iterable[Line]) -> Iterator[Metric]:
    images = GaugeMetricFamily(
        "postern_ledger_images", "Images in the books.", labels=["destination", "account"]
    )
    off = GaugeMetricFamily(
        "postern_ledger_difference", "Images for which the books cannot account.", labels=["destination"]
    )
    for line in lines:
        off.add_metric([line.destination], line.difference)
        for account in ACCOUNTS:
            images.add_metric([line.destination, account], getattr(line, account))
    yield from (images, off)


def _destinations(now: datetime) -> Iterator[Metric]:
    rows = list(Destination.objects.filter(retired_at=None).order_by("name"))
    rests = {row.name: row.failures >= RESTS_AFTER for row in rows}
    yield _by("postern_destination_resting", "1 while nothing is sent there.", "destination", rests)
    paused = {row.name: row.paused_at is not None for row in rows}
    yield _by("postern_destination_paused", "1 while a person has stopped it.", "destination", paused)
    alive = Delivery.objects.filter(destination__in=rows, state__in=UNDER_WAY).order_by()
    counts = {
        (pk, state): count
        for pk, state, count in alive.values_list("destination", "state").annotate(Count("pk"))
    }
    said = GaugeMetricFamily(
        "postern_deliveries", "Deliveries under way, by state.", labels=["destination", "state"]
    )
    for row in rows:
        for state in UNDER_WAY:
            said.add_metric([row.name, state], counts.get((row.pk, state), 0))
    yield said
    first = dict(alive.values_list("destination").annotate(Min("created_at")))
    ages = {row.name: max(0.0, (now - first.get(row.pk, now)).total_seconds()) for row in rows}
    yield _by("postern_delivery_oldest_seconds", "Age of the oldest one under way.", "destination", ages)


def _waiting_for_somebody() -> Iterator[Metric]:
    open_ones = Revision.objects.filter(state__in=NOT_RELEASED).order_by()
    states = dict.fromkeys(NOT_RELEASED, 0) | _counted(open_ones.values_list("state"))
    yield _by("postern_studies", "Studies that are not released, by state.", "state", states)
    held = HeldItem.objects.filter(state=held_life.HELD, file_gone_at=None).order_by()
    yield _by(
        "postern_quarantine_images", "Images that are held.", "gate", _counted(held.values_list("code"))
    )
    raised = Alert.objects.exclude(state__in=[SEEN, CLEARED]).order_by()
    rules = dict.fromkeys((rule.name for rule in RULES), 0) | _counted(raised.values_list("rule"))
    yield _by("postern_alerts", "Alerts that are raised.", "rule", rules)


def _disks() -> Iterator[Metric]:
    volumes = [volume_of(name, Path(getattr(settings, name))) for name in NAMES]
    free = {one.name: one.free for one in volumes}
    size = {one.name: one.size for one in volumes}
    yield _by("postern_disk_free_bytes", "Free on the volume of this folder.", "folder", free)
    yield _by("postern_disk_size_bytes", "Size of the volume of this folder.", "folder", size)


def _counted(keys: "QuerySet[Any, tuple[Any, ...]]") -> dict[str, int]:
    return dict(keys.annotate(Count("pk")))


def _by(name: str, says: str, label: str, values: Mapping[str, float]) -> Metric:
    found = GaugeMetricFamily(name, says, labels=[label])
    for key, value in values.items():
        found.add_metric([key], float(value))
    return found

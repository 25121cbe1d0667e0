"""`/metrics` tells counts to whom the site names, in Prometheus' own forms, and nobody's name or UID to anybody."""

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from proxy.alerts.models import Alert
from proxy.api.looking import Look
from proxy.books.balance import balance
from proxy.deliveries.models import Delivery
from proxy.routing.match import load_table
from proxy.routing.models import Destination, Project, Route
from proxy.studies.models import Revision, Study
from tests import cast
from tests.api.conftest import Told, data
from tests.api.test_doors import is_problem
from tests.cast import NEEDLES, StudyPlan
from tests.reception.sending import send

__all__ = ["data"]

Figures = dict[tuple[str, ...], float]


@pytest.fixture
def site(db: None, data: Path, told: Told) -> Route:
    """Two images of a study on their way to an archive, and one that is held."""
    route = Route.objects.create(
        called_ae="DICOMRCV", project=Project.objects.create(name="default", recipe="basic")
    )
    archive = Destination.objects.create(name="ARCHIVE", kind="folder", path="out")
    Destination.objects.create(name="OLD", kind="folder", path="old", retired_at=timezone.now())
    route.destinations.add(archive)
    facts = load_table().route_for("DICOMRCV", "CT_EAST")
    assert facts is not None
    assert [send(facts, cast.ct(StudyPlan(), number)) for number in (1, 2)] == [0, 0]
    send(facts, cast.ct(StudyPlan(number=2, extra={"BurnedInAnnotation": "YES"})))
    revision, long_ago = Revision.objects.get(), timezone.now() - timedelta(hours=1)
    Delivery.objects.create(
        revision=revision, destination=archive, total=2, created_at=long_ago, next_try_at=long_ago
    )
    return route


def asked(**said: Any) -> str:
    answer = Client(**said).get("/metrics")
    assert answer.status_code == 200 and answer["Cache-Control"] == "no-store"
    return answer.content.decode()


def figures() -> Figures:
    """By name and the values of labels, in the order of the labels' names."""
    return {
        (one.name, *(one.labels[label] for label in sorted(one.labels))): one.value
        for family in text_string_to_metric_families(asked())
        for one in family.samples
    }


@pytest.mark.parametrize("address", ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::7", "", "nonsense"])
def test_nobody_else_is_told(told: Told, address: str) -> None:
    assert is_problem(Client(REMOTE_ADDR=address).get("/metrics"), 403, "off-site")


def test_the_site_names_who_is_told(db: None, told: Told, settings: LazySettings) -> None:
    settings.METRICS_NETWORKS = [ip_network("192.0.2.0/24")]
    assert asked(REMOTE_ADDR="192.0.2.7")
    assert is_problem(Client().get("/metrics"), 403, "off-site")


def test_what_anybody_says_of_their_address_counts_from_a_named_web_server_alone(
    db: None, told: Told, settings: LazySettings
) -> None:
    said: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}
    assert is_problem(Client(**said).get("/metrics"), 403, "off-site")
    settings.API_TRUSTED_PROXIES = [ip_network("127.0.0.1")]
    assert is_problem(Client(HTTP_X_FORWARDED_FOR="192.0.2.7").get("/metrics"), 403, "off-site")


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(told: Told, method: str) -> None:
    assert is_problem(getattr(Client(), method)("/metrics"), 405, "wrong-method")


def test_without_a_database_it_says_which_parts_fail(told: Told) -> None:
    told.told = Look({"database": False, "disk": True})
    found = figures()
    assert found["postern_well", "database"] == 0 and found["postern_well", "disk"] == 1
    assert not any(name.startswith("postern_ledger") for name, *_ in found)


def test_what_is_under_way_and_what_waits_for_somebody(site: Route) -> None:
    found = figures()
    assert found["postern_well", "listener"] == 1
    assert found["postern_deliveries", "ARCHIVE", "waiting"] == 1
    assert found["postern_deliveries", "ARCHIVE", "refused"] == 0
    assert 3_600 <= found["postern_delivery_oldest_seconds", "ARCHIVE"] < 7_200
    assert found["postern_quarantine_images", "burned-in"] == 1
    assert found["postern_studies", "receiving"] == 1 and found["postern_studies", "review"] == 0
    assert found["postern_disk_free_bytes", "DATA_DIR"] > 0
    assert not any("OLD" in labels for labels in found)


def test_the_books_are_those_of_the_ledger(site: Route) -> None:
    found, [line] = figures(), balance()
    for account in ("received", "delivered", "excluded", "held", "in_flight", "committed", "expired"):
        assert found["postern_ledger_images", account, "ARCHIVE"] == getattr(line, account), account
    assert line.received == 3
    assert found["postern_ledger_difference", "ARCHIVE"] == line.difference


def test_a_destination_that_rests_and_one_that_is_paused(site: Route) -> None:
    found = figures()
    assert (
        found["postern_destination_resting", "ARCHIVE"] == found["postern_destination_paused", "ARCHIVE"] == 0
    )
    Destination.objects.filter(name="ARCHIVE").update(failures=3, paused_at=timezone.now())
    found = figures()
    assert (
        found["postern_destination_resting", "ARCHIVE"] == found["postern_destination_paused", "ARCHIVE"] == 1
    )


def test_alerts_that_are_raised_are_counted_by_their_rule(site: Route) -> None:
    now = timezone.now()
    for number, state in enumerate(("seen", "raised", "still", "cleared")):
        Alert.objects.create(
            rule="disk", subject=str(number), state=state, sentence="Full.", found_at=now, seen_at=now
        )
    found = figures()
    assert found["postern_alerts", "disk"] == 2 and found["postern_alerts", "ledger-off"] == 0


def test_promise_8_no_figure_names_anybody_or_anything_of_theirs(site: Route) -> None:
    text = asked()
    study = Study.objects.get()
    assert "ARCHIVE" in text
    assert not [one for one in (*NEEDLES, study.patient, study.uid) if one in text]


def test_openmetrics_for_whoever_asks_for_it(site: Route) -> None:
    text = asked(HTTP_ACCEPT="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    names = {family.name for family in openmetrics.text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    assert {"postern", "postern_ledger_images", "postern_alerts"} <= names


def test_ready_says_what_health_says(told: Told) -> None:
    assert Client().get("/ready").json() == Client().get("/api/health").json()
    told.told = Look({"database": True, "disk": False})
    assert Client().get("/ready/").status_code == 503

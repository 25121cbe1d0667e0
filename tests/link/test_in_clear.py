"""Our token goes over http to another machine only where the site says so, whatever it is that we ask the backend."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.utils import timezone

from proxy.api.confirming import confirmed
from proxy.api.problems import Problem
from proxy.backend import dispatches
from proxy.backend.models import Dispatch, Standing
from proxy.deliveries import directions
from proxy.link.asking import ask_once
from proxy.link.dispatching import Errand
from proxy.link.running import Link
from proxy.network.addresses import goes_in_clear
from proxy.routing.models import Destination, Node
from tests.backend.platform import Platform

pytestmark = pytest.mark.django_db


@pytest.fixture
def far(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, settings: LazySettings, tmp_path: Path
) -> Iterator[Platform]:
    """As if it were on another machine."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(
        directions, "goes_in_clear", lambda url: goes_in_clear(url.replace("127.0.0.1", "far"))
    )
    yield platform


def backend(insecure: bool) -> None:
    Destination.objects.create(name="backend", kind="backend", insecure=insecure)


def test_nothing_is_asked_where_others_could_read_along(far: Platform) -> None:
    backend(insecure=False)
    assert not ask_once()
    assert "http://" in Standing.objects.get().reason
    assert not Link(lambda _: True)._once()
    assert not far.asked and not far.lines


def test_a_dispatch_waits(far: Platform) -> None:
    backend(insecure=True)
    assert ask_once()
    Destination.objects.filter(kind="backend").update(insecure=False)
    Node.objects.filter(name="backend:PACS").update(view=Node.IDENTIFIED)
    dispatches.open_one("session", "s1", timezone.now())
    row = dispatches.claim(timezone.now(), "token")
    assert row is not None
    Errand(row, lambda: True).run()
    row = Dispatch.objects.get()
    assert row.state == "waiting" and "http://" in row.reason
    assert not [path for path in far.asked if "sessions" in path]


def test_nobody_is_confirmed(far: Platform) -> None:
    backend(insecure=True)
    assert ask_once()
    Destination.objects.filter(kind="backend").update(insecure=False)
    asked = len(far.asked)
    with pytest.raises(Problem) as refused:
        confirmed("token")
    assert refused.value.status == 503 and len(far.asked) == asked


def test_the_site_may_say_so(far: Platform) -> None:
    backend(insecure=True)
    assert ask_once() and far.asked

"""Promise 12: nothing waits for years because a clock was wrong for a minute."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from proxy import clocks
from proxy.backend import dispatches, outbox
from proxy.backend.models import Dispatch, Outgoing
from proxy.deliveries import queue
from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination
from proxy.studies import quiet
from proxy.studies.models import Revision
from proxy.vault import keyring
from tests.scene import NOW, Scene, make_scene

AHEAD = NOW + timedelta(days=3653)

pytestmark = pytest.mark.django_db


@pytest.fixture
def scene(tmp_path: Path, settings: LazySettings) -> Scene:
    settings.KEY_DIR = tmp_path / "keys"
    keyring.ensure_keys(settings.KEY_DIR)
    found = make_scene()
    Delivery.objects.filter(pk=found.delivery.pk).update(state="waiting", next_try_at=AHEAD)
    return found


def test_a_delivery_that_failed_while_the_clock_was_ahead_is_due_again(scene: Scene) -> None:
    Destination.objects.update(rests_until=AHEAD, spent_until=AHEAD)
    assert queue.claim(NOW, "token") is None
    clocks.mind(NOW)
    later = NOW + timedelta(seconds=1)
    assert queue.claim(later, "token") is not None


def test_a_claim_of_a_worker_who_died_then_runs_out(scene: Scene) -> None:
    row = Delivery.objects.filter(pk=scene.delivery.pk)
    row.update(state="claimed", token="t", lease_until=AHEAD)
    clocks.mind(NOW)
    assert queue.rescue(NOW) == 0  # whoever lives has time to renew it
    assert queue.rescue(NOW + timedelta(minutes=2)) == 1


def test_a_study_that_came_then_is_complete_after_its_time(scene: Scene) -> None:
    Revision.objects.update(state="receiving", quiet_at=AHEAD)
    clocks.mind(NOW)
    assert quiet.close_quiet(NOW) == 0
    assert quiet.close_quiet(NOW + timedelta(minutes=2)) == 1


def test_the_backend_is_heard_and_told_again(scene: Scene) -> None:
    dispatches.open_one("session", "s1", NOW, key="k")
    Dispatch.objects.update(next_try_at=AHEAD)
    outbox.put("config_update", {}, NOW)
    Outgoing.objects.update(next_at=AHEAD)
    clocks.mind(NOW)
    assert dispatches.claim(NOW, "token") is not None and len(outbox.due(NOW)) == 1


def test_what_may_wait_as_long_goes_on_to_wait(scene: Scene) -> None:
    """Twice is as once, too."""
    tomorrow = NOW + timedelta(days=1)
    Delivery.objects.update(next_try_at=tomorrow)
    Destination.objects.update(rests_until=tomorrow, spent_until=tomorrow)
    assert clocks.mind(NOW) == 0
    assert set(Delivery.objects.values_list("next_try_at", flat=True)) == {tomorrow}

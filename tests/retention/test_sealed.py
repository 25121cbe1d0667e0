"""Seals outlive files, and go only where the settings say when (promises 6 and 7)."""

from datetime import timedelta

import pytest
from django.conf import LazySettings

from proxy.audit.models import Entry
from proxy.quarantine.models import HeldItem
from proxy.retention import sealed
from proxy.retrieval.models import Homecoming
from proxy.routing.match import RouteFacts
from proxy.routing.models import Destination
from proxy.studies.models import Instance, Revision
from proxy.vault import seals
from proxy.vault.models import Seal, UidPair
from tests import cast, results
from tests.reception.sending import send
from tests.retention.help import look
from tests.retention.test_again import delivered_and_expired
from tests.retrieval.home.scene import Hospital, at_home

pytestmark = pytest.mark.django_db(transaction=True)

YEAR = timedelta(days=365)


def revision(number: int = 1) -> Revision:
    return Revision.objects.get(number=number)


def after(days: int, number: int = 1) -> int:
    ended_at = revision(number).ended_at
    assert ended_at is not None
    return look(ended_at + timedelta(days=days)).seals


def test_they_stay_for_good_unless_a_setting_says_otherwise(route: RouteFacts) -> None:
    send(route, cast.ct())
    delivered_and_expired()
    assert after(36_000) == 0 and Seal.objects.count() == 1


def test_they_go_with_their_files_when_their_own_retention_is_over(
    route: RouteFacts, settings: LazySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "SMALL", 10)
    monkeypatch.setattr(sealed, "IMAGES", 2)
    for number in (1, 2, 3, 4, 5):
        send(route, cast.ct(instance=number))
    settings.RETENTION_SEALS = 400
    delivered_and_expired()
    assert after(399) == 0 and Seal.objects.count() == 5
    assert after(400) == 5 and not Seal.objects.exists() and not list(seals.vault_root().rglob("*.seal"))
    assert UidPair.objects.exists()  # mappings stay
    [mark] = Entry.objects.filter(action="study.seals-dropped")
    assert mark.detail == {"revision": 1, "seals": 5} and after(401) == 0


def test_of_what_is_here_again_the_seal_stays(route: RouteFacts, settings: LazySettings) -> None:
    send(route, cast.ct(instance=1))
    send(route, cast.ct(instance=2))
    settings.RETENTION_SEALS = 400
    delivered_and_expired()
    send(route, cast.ct(instance=1))
    assert after(400) == 1
    assert Seal.objects.get().sop_uid == Instance.objects.get(expired=0).uid
    delivered_and_expired()
    assert Seal.objects.count() == 1 and after(400, number=2) == 1 and not Seal.objects.exists()


@pytest.mark.parametrize("before", ["numbers", "drop_these"])
def test_promise_6_what_comes_again_at_that_moment_keeps_its_seal(
    route: RouteFacts, settings: LazySettings, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Before its seal is looked up, and between the last look and the drop."""
    real, coming = getattr(seals, before), iter([cast.ct()])

    def late(*what: object) -> object:
        for image in coming:
            assert send(route, image) == 0
        return real(*what)

    settings.RETENTION_SEALS = 400
    send(route, cast.ct())
    delivered_and_expired()
    monkeypatch.setattr(seals, before, late)
    assert after(400) == 0
    assert Seal.objects.get().sop_uid == Instance.objects.get(expired=0).uid


def test_of_what_expired_twice_the_seal_stays_as_long_as_the_later_one(
    route: RouteFacts, settings: LazySettings
) -> None:
    settings.RETENTION_SEALS = 400
    for _ in range(2):
        send(route, cast.ct())
        delivered_and_expired()
    Revision.objects.filter(number=1).update(ended_at=revision(2).ended_at - YEAR)  # type: ignore[operator]
    assert after(400, number=1) == 0 and revision(1).seals_gone_at and Seal.objects.count() == 1
    assert after(400, number=2) == 1


def test_a_result_on_its_way_home_keeps_them(settings: LazySettings) -> None:
    settings.RETENTION_SEALS = 400
    hospital = Hospital.build()
    clean = hospital.outside(cast.ct())
    revision().destinations.set([Destination.objects.get()])
    delivered_and_expired()
    assert hospital.comes_home(results.made("SEG", clean)).status == 0 and not HeldItem.objects.exists()
    assert after(500) == 0 and at_home().PatientID == cast.ADA.id
    Homecoming.objects.update(state="delivered")
    assert after(500) == 1

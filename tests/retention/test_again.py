"""What comes after: the same image once more, a result from outside, a question, a restore (promises 2, 4, 5 and 7)."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from pydicom import dcmread
from pydicom.dataset import Dataset

from proxy.deliveries import ledger
from proxy.deliveries.models import Delivery
from proxy.evidence.notary import attest
from proxy.quarantine.models import HeldItem
from proxy.reception import held
from proxy.reception.twins import as_sent
from proxy.retention import images, keeper
from proxy.retrieval.home import looking
from proxy.routing.match import RouteFacts
from proxy.routing.models import Destination
from proxy.storage import files
from proxy.studies import index
from proxy.studies.lifecycle import LIFE
from proxy.studies.models import Instance, Revision
from proxy.vault import seals
from proxy.vault.models import Person, Seal
from tests import cast, results
from tests.reception.sending import encode, send
from tests.retention.help import look, on_disk
from tests.retrieval.home.scene import Hospital, at_home

pytestmark = pytest.mark.django_db(transaction=True)


def delivered_and_expired() -> None:
    """Whatever is receiving was delivered a year ago, as `work` would have done it."""
    for revision in Revision.objects.filter(state="receiving"):
        now = revision.opened_at
        LIFE.move(Revision.objects.filter(pk=revision.pk), "quiet")
        LIFE.move(Revision.objects.filter(pk=revision.pk), "release", released_at=now)
        for destination in revision.destinations.all():
            acks = (1 << revision.total) - 1
            Delivery.objects.create(
                revision=revision, destination=destination, state="delivered", total=revision.total, created_at=now,
                acknowledged=revision.total, acks=acks.to_bytes(4, "little"), next_try_at=now, finished_at=now,
            )  # fmt: skip
        LIFE.move(Revision.objects.filter(pk=revision.pk), "delivered", ended_at=now, look_at=now)
        attest(Revision.objects.get(pk=revision.pk), now, lambda: True)
    latest = Revision.objects.latest("opened_at").opened_at
    assert look(latest + timedelta(days=365)).revisions


def kept() -> list[str]:
    return [path for path in on_disk() if path.endswith(".dcm")]


def test_the_same_image_sent_again_is_new_with_the_same_pseudonyms(route: RouteFacts) -> None:
    assert send(route, cast.ct()) == 0
    before = Instance.objects.get()
    delivered_and_expired()
    assert kept() == [] and Instance.objects.get().expired == before.pk
    assert send(route, cast.ct()) == 0
    old, new = Instance.objects.order_by("pk")
    assert (old.uid, old.series_id) == (new.uid, new.series_id) and new.expired == 0
    assert new.revision.number == 2 and new.revision.state == "receiving" and new.revision.total == 1
    assert kept() == [new.path] and Person.objects.count() == 1 and Seal.objects.count() == 1
    assert send(route, cast.ct()) == 0  # and now it is here
    assert Instance.objects.count() == 2 and kept() == [new.path]
    delivered_and_expired()
    assert send(route, cast.ct()) == 0 and Instance.objects.count() == 3
    assert [(line.received, line.in_flight, line.difference) for line in ledger.balance()] == [(3, 1, 0)]


def test_promise_6_the_image_that_came_again_is_restored_by_its_own_seal(route: RouteFacts) -> None:
    send(route, cast.ct())
    delivered_and_expired()
    other = cast.ct()
    other.PatientComments = "Another text than before"
    assert send(route, other) == 0
    assert as_sent(Instance.objects.get(expired=0))[0] == encode(other)
    assert not HeldItem.objects.exists()


def test_a_large_seal_of_before_leaves_no_file(route: RouteFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "SMALL", 10)
    send(route, cast.ct())
    delivered_and_expired()
    send(route, cast.ct())
    [sealed] = seals.vault_root().rglob("*.seal")
    assert str(sealed.relative_to(seals.vault_root())) == Seal.objects.get().path


def test_an_image_that_comes_while_its_old_file_is_being_removed_is_new(
    route: RouteFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the revision says it first."""
    send(route, cast.ct())
    with monkeypatch.context() as broken:
        broken.setattr(images, "removed", lambda *_: 0)
        delivered_and_expired()
    assert len(kept()) == 1 and Instance.objects.get().expired == 0
    assert index.find(route.project_id, Instance.objects.get().uid) is None
    assert send(route, cast.ct()) == 0
    old, new = Instance.objects.order_by("pk")
    assert old.expired == old.pk and new.expired == 0
    assert keeper.look(new.received_at) and kept() == [new.path]


def test_other_content_is_held_while_the_image_is_here_and_may_go_on_once_it_has_expired(
    route: RouteFacts,
) -> None:
    send(route, cast.ct())
    before = Instance.objects.get()
    other = cast.ct()
    other.PixelData = bytes(len(other.PixelData))
    assert send(route, other) == 0
    [item] = HeldItem.objects.all()
    row = Instance.objects.get()
    assert item.code == "conflict" and (row.path, row.bulk_digest) == (before.path, before.bulk_digest)
    with pytest.raises(held.CannotRelease, match="already holds another image"):
        held.release(item.pk, "ada")
    delivered_and_expired()
    assert "is in the index now" in held.release(item.pk, "ada")
    new = Instance.objects.get(expired=0)
    assert new.bulk_digest != before.bulk_digest and kept() == [new.path]
    assert sum(line.difference for line in ledger.balance()) == 0


def test_a_late_image_of_an_expired_study_opens_its_next_revision(route: RouteFacts) -> None:
    send(route, cast.ct())
    delivered_and_expired()
    assert send(route, cast.ct(instance=2)) == 0
    rows = Revision.objects.order_by("number").values_list("number", "state", "total")
    assert list(rows) == [(1, "expired", 1), (2, "receiving", 1)]
    assert Instance.objects.values("series").distinct().count() == 1


# --- the way home -----------------------------------------------------------------------------------


def equal_at(home: Dataset, original: Dataset, *names: str) -> None:
    assert {name: home.get(name) for name in names} == {name: original.get(name) for name in names}


@pytest.mark.parametrize("kind", ["SEG", "SR", "RTSTRUCT"])
def test_promise_7_a_result_made_weeks_after_the_files_went_comes_home(kind: str) -> None:
    hospital = Hospital.build("research")
    home = Destination.objects.get(name="home")
    originals = [cast.ct(instance=number) for number in (1, 2, 3)]
    clean = hospital.outside(*originals)
    for revision in Revision.objects.all():
        revision.destinations.set([home])
    delivered_and_expired()
    assert kept() == []
    assert hospital.comes_home(results.made(kind, clean)).status == 0
    assert not HeldItem.objects.exists()
    equal_at(at_home(), originals[0], "PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID",
             "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")  # fmt: skip


def test_an_image_that_is_here_speaks_before_one_that_has_expired(route: RouteFacts) -> None:
    send(route, cast.ct())
    delivered_and_expired()
    send(route, cast.ct(instance=2))
    old, new = Instance.objects.order_by("pk")
    said = looking.speaker(route.project_id, new.revision.study.uid, [])
    assert said == new
    assert looking.speaker(route.project_id, new.revision.study.uid, [old.uid]) == old


def test_the_file_of_an_image_is_never_removed_by_the_name_of_another(route: RouteFacts) -> None:
    send(route, cast.ct())
    folder = Path(settings.DICOM_STORAGE_DIR) / "studies"
    [path] = kept()
    clean = dcmread(folder / path)
    delivered_and_expired()
    send(route, cast.ct())
    [again] = kept()
    assert again != path and dcmread(folder / again) == clean
    assert not files.remove_many([folder / path])

"""Files of results that are home go; their rows stay, so that the same one is known and a later one finds it."""

import os
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.utils import timezone
from pydicom.dataset import Dataset

from proxy.audit.models import Entry
from proxy.books.balance import balance
from proxy.management.backups import places
from proxy.management.doctor import stock
from proxy.quarantine.models import HeldItem
from proxy.retention import keeper, pages, results
from proxy.retention.facts import policy_of
from proxy.retrieval.home import deciding, keeping
from proxy.retrieval.home.whereabouts import said
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Destination, Node, Project
from proxy.storage import files
from proxy.vault import forget
from proxy.vault.reidentify import Principal
from tests import cast
from tests import results as made
from tests.deliveries.builders import NOW
from tests.deliveries.test_race import at_once
from tests.reception.conftest import data
from tests.retention.help import LATER, look
from tests.retrieval.home.scene import Hospital

__all__ = ["data"]
pytestmark = pytest.mark.django_db(transaction=True)

MAY = Principal("ada", lambda _: True)
AGAIN = Homecoming.objects.filter(state="waiting")


@pytest.fixture
def seg(data: Path) -> Dataset:
    """A result that came home, and is at the PACS since NOW."""
    hospital = Hospital.build()
    result = made.made("SEG", hospital.outside(cast.ct()))
    assert hospital.comes_home(result).status == 0
    Homecoming.objects.update(state="delivered", finished_at=NOW)
    return result


def on_disk() -> list[Path]:
    return [path for path in keeping.folder().rglob("*") if path.is_file()]


def test_its_file_goes_when_its_retention_has_passed_and_its_row_stays(seg: Dataset) -> None:
    assert look(LATER - timedelta(hours=2)).results == 0 and on_disk()
    assert look(LATER).results == 1 and not on_disk()
    row = Result.objects.get()
    assert (row.uid, row.expired_at, row.file_gone_at) == (str(seg.SOPInstanceUID), LATER, LATER)
    mark = Entry.objects.get(action="result.expired")
    assert (mark.actor, mark.subject, mark.detail) == ("retention", row.study_uid, {"result": row.uid})
    assert look(LATER).results == 0


def test_the_same_result_sent_again_is_known_and_goes_nowhere(seg: Dataset) -> None:
    look(LATER)
    assert Hospital.now().comes_home(seg).status == 0
    assert Result.objects.count() == Homecoming.objects.count() == 1
    assert not AGAIN.exists() and not on_disk() and not HeldItem.objects.exists()


def test_another_content_under_its_uid_is_held_as_ever(seg: Dataset) -> None:
    look(LATER)
    seg.ContentLabel = "OTHER"
    Hospital.now().comes_home(seg)
    assert HeldItem.objects.get().code == "home-conflict"


def test_a_later_result_that_refers_to_it_alone_finds_its_study(seg: Dataset) -> None:
    look(LATER)
    other = made.made("KO", [seg])
    other.StudyInstanceUID = "2.25.77"
    other.PatientID = other.PatientName = ""
    assert Hospital.now().comes_home(other).status == 0
    first, second = Result.objects.order_by("pk")
    assert (second.certainty, second.study_uid) == ("instances", first.study_uid)


@pytest.mark.parametrize("state", ["waiting", "claimed", "refused"])
def test_promise_3_what_one_node_has_not_got_stays(seg: Dataset, state: str) -> None:
    other = Destination.objects.create(name="second", kind="dimse", node=Node.objects.get(name="PACS"))
    Homecoming.objects.create(
        result=Result.objects.get(), destination=other, state=state, next_try_at=LATER,
        lease_until=LATER + timedelta(days=900), finished_at=NOW if state == "refused" else None,
    )  # fmt: skip
    assert look(LATER + timedelta(days=800)).results == 0 and on_disk()
    Homecoming.objects.filter(destination=other).update(state="dropped", finished_at=NOW)
    assert look(LATER + timedelta(days=800)).results == 1


def test_promise_3_what_was_given_up_everywhere_stays_for_nobody_else_has_it(seg: Dataset) -> None:
    Homecoming.objects.update(state="dropped")
    assert look(LATER + timedelta(days=800)).results == 0 and on_disk()


def test_where_nothing_is_cleaned_up_nothing_goes(seg: Dataset, settings: LazySettings) -> None:
    settings.CLEANUP_AFTER_UPLOAD = False
    assert look(LATER + timedelta(days=800)).results == 0 and on_disk()


@pytest.mark.parametrize("state", ["delivered", "dropped"])
def test_the_file_of_somebody_who_was_forgotten_goes_at_once(
    seg: Dataset, state: str, settings: LazySettings
) -> None:
    settings.CLEANUP_AFTER_UPLOAD = False
    Homecoming.objects.update(state=state)
    row = Result.objects.get()
    assert look(NOW).results == 0
    forget.forget(MAY, row.patient, row.project_id, "asked for it")
    assert look(NOW).results == 1 and not on_disk()


def test_who_sends_it_again_has_a_whole_term(seg: Dataset) -> None:
    assert deciding.retry(Homecoming.objects.get(), "ada", LATER) is True
    assert look(LATER).results == 0 and on_disk()
    Homecoming.objects.update(state="delivered", finished_at=LATER)
    assert look(LATER + timedelta(days=6)).results == 0
    assert look(LATER + timedelta(days=7)).results == 1


def test_what_is_gone_cannot_be_sent_again_and_says_so(seg: Dataset) -> None:
    look(LATER)
    row = Homecoming.objects.get()
    assert deciding.retry(row, "ada", LATER) == deciding.EXPIRED
    assert not AGAIN.exists() and not Entry.objects.filter(actor="ada").exists()
    row.state = "dropped"
    assert "its file has gone" in said(row)


@pytest.mark.parametrize("turn", range(4))
def test_promise_3_of_retry_and_retention_one_is_first_and_the_other_sees_it(seg: Dataset, turn: int) -> None:
    row, won = Homecoming.objects.get(), list[str]()

    def job(number: int) -> None:
        if number == turn:
            won.extend(["again"] if deciding.retry(row, "ada", LATER) is True else [])
        else:
            won.extend(["gone"] * results.due(policy_of(), LATER, lambda: True, "test"))

    at_once(job)
    assert len(won) == 1
    assert AGAIN.exists() == bool(on_disk()) == (won == ["again"])


def test_promise_2_a_kill_before_its_file_is_removed_leaves_it_to_the_next_round(
    seg: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "remove", killed)
        keeper.look(LATER)
    assert Result.objects.get().expired_at and on_disk()
    assert look(LATER).results == 1 and not on_disk()
    assert Entry.objects.filter(action="result.expired").count() == 1


def test_the_books_balance_as_before_and_say_that_it_expired(seg: Dataset) -> None:
    before = [(one.destination, one.received, one.delivered, one.difference) for one in balance()]
    look(LATER)
    assert [(one.destination, one.received, one.delivered, one.difference) for one in balance()] == before
    assert [one.expired for one in balance()] == [1]


def test_expire_says_and_does_it_by_an_age_of_its_own(seg: Dataset, settings: LazySettings) -> None:
    settings.CLEANUP_AFTER_UPLOAD = False
    Homecoming.objects.update(finished_at=timezone.now() - timedelta(days=3))
    assert "result" not in expire("--dry-run", "--older-than", "4")
    assert "1 result would go." in expire("--dry-run", "--older-than", "2") and on_disk()
    Project.objects.create(name="other")
    assert "result" not in expire("--older-than", "2", "--project", "other") and on_disk()
    assert "1 result gone." in expire("--older-than", "2", "--project", "default") and not on_disk()


def expire(*words: str) -> str:
    out = StringIO()
    call_command("expire", *words, stdout=out)
    return out.getvalue()


def test_doctor_and_backup_miss_nothing_and_find_what_comes_back(seg: Dataset) -> None:
    until = places.newest()
    [path] = on_disk()
    content = path.read_bytes()
    assert places.missing(set(), until) > places.missing({f"results/{Result.objects.get().path}"}, until)
    look(LATER)
    assert not any(name.startswith("results/") for name in places._named(places.newest()))
    assert [one.level for one in stock.examine_results()] == ["ok"]
    path.write_bytes(content)
    long_ago = timezone.now().timestamp() - 7200
    os.utime(path, (long_ago, long_ago))
    assert stock.result_orphans() == [path]


def test_many_go_in_pages(seg: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE", 3)
    first = Result.objects.get()
    for number in range(7):
        row = Result.objects.create(
            project=first.project, route=first.route, node=first.node, patient=first.patient, study_uid="2.25.1",
            certainty="study", uid=f"2.25.{number}", sop_class="1.2", transfer_syntax="1.2",
            path=f"1/{number}.sealed", size=10, received_at=NOW,
        )  # fmt: skip
        Homecoming.objects.create(
            result=row,
            destination=Destination.objects.get(),
            state="delivered",
            next_try_at=NOW,
            finished_at=NOW,
        )
    assert look(LATER).results == 8

"""Files go when their retention has passed, and not before; rows first, files after (promises 2, 3 and 4)."""

from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import LazySettings, settings
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.models import Entry
from proxy.deliveries import decisions, ledger, queue
from proxy.deliveries.lifecycle import LIFE as DELIVERY
from proxy.deliveries.models import Delivery
from proxy.deliveries.outcomes import Delivered
from proxy.retention import facts, images
from proxy.retrieval.models import Homecoming, Result
from proxy.routing.models import Destination, Node
from proxy.storage import files
from proxy.studies import review
from proxy.studies.models import Instance, Revision, Study
from proxy.studies.retention import Go, Policy, decide
from tests.deliveries.builders import NOW, a_folder, a_revision, files_of, opened
from tests.retention.help import LATER, WEEK, delivered, look, on_disk

pytestmark = pytest.mark.django_db


def state(revision: Revision) -> str:
    return Revision.objects.get(pk=revision.pk).state


def marks() -> list[tuple[str, str, dict[str, Any]]]:
    rows = Entry.objects.filter(action="study.expired").order_by("sequence")
    return [(row.actor, row.subject, row.detail) for row in rows]


def test_what_was_delivered_long_enough_ago_goes_with_its_folder_and_leaves_a_mark() -> None:
    old, young = delivered(1), delivered(2, at=NOW + timedelta(days=1))
    gone = look()
    assert (gone.revisions, gone.images) == (1, 3)
    assert state(old) == "expired" and state(young) == "delivered"
    assert len(on_disk()) == 3 and not any(old.study.uid in path for path in on_disk())
    assert not (
        Path(settings.DICOM_STORAGE_DIR) / "studies" / f"{old.study.project_id}/{old.study.uid}"
    ).exists()
    row = Revision.objects.get(pk=old.pk)
    assert row.files_gone_at == LATER and row.ended_at == NOW
    assert marks() == [("retention", old.study.uid, {"revision": 1, "images": 3, "was": "delivered"})]
    assert look(LATER + timedelta(hours=1)).revisions == 0


def test_promise_4_the_books_balance_afterwards() -> None:
    delivered(1, 11)
    delivered(2, 5, at=LATER)
    look()
    [line] = ledger.balance()
    assert (line.received, line.delivered, line.expired, line.difference) == (16, 16, 11, 0)
    assert list(ledger.recount()) == []


def test_a_study_without_destinations_never_goes() -> None:
    revision = a_revision(state="released")
    files_of(revision)
    assert not look(NOW + 1000 * WEEK) and len(on_disk()) == 3


def test_what_was_given_up_everywhere_never_goes() -> None:
    revision = a_revision(destinations=(a_folder(),))
    files_of(revision)
    [delivery] = opened(revision, Destination.objects.get())
    assert decisions.drop(delivery, "ada", NOW)
    assert not look(NOW + 1000 * WEEK) and state(revision) == "released"


def test_what_one_destination_has_and_a_person_gave_up_at_the_other_goes_from_then_on() -> None:
    revision = delivered(1)
    other = a_folder("other")
    revision.destinations.add(other)
    opened(revision, other)
    late = Delivery.objects.get(destination=other)
    assert state(revision) == "released" and not look()
    assert decisions.drop(late, "ada", LATER) and state(revision) == "delivered"
    assert (
        not look(LATER + WEEK - timedelta(seconds=1))
        and look(LATER + WEEK + timedelta(days=1)).revisions == 1
    )
    assert sum(line.difference for line in ledger.balance()) == 0


@pytest.mark.parametrize("life", ["waiting", "claimed", "refused"])
def test_promise_3_a_delivery_that_is_not_over_keeps_it_even_if_the_revision_says_delivered(
    life: str,
) -> None:
    """As after a fault: the rows of the deliveries are what counts."""
    revision = delivered(1)
    Delivery.objects.update(state=life)
    assert not look(NOW + 1000 * WEEK) and state(revision) == "delivered" and len(on_disk()) == 3


def test_promise_3_a_destination_without_a_delivery_keeps_it() -> None:
    revision = delivered(1)
    revision.destinations.add(a_folder("forgotten"))
    assert not look(NOW + 1000 * WEEK) and len(on_disk()) == 3


STATES = st.dictionaries(st.integers(1, 4), st.sampled_from(DELIVERY.states))


@given(
    st.sets(st.integers(1, 4)), STATES, st.sampled_from(["delivered", "rejected", "released", "receiving"])
)
def test_promise_3_whatever_the_rows_say_nothing_undelivered_goes(
    bound: set[int], sent: dict[int, str], life: str
) -> None:
    revision = Revision(study=Study(), state=life, ended_at=NOW)
    rows = [(destination, state, NOW) for destination, state in sent.items()]
    known = facts.weighed(revision, bound, rows, None, is_coming_home=False)
    if isinstance(decide(known, Policy(timedelta(0)), LATER), Go):
        assert life == "delivered" and "delivered" in sent.values()
        assert all(sent.get(one) in {"delivered", "dropped"} for one in {*bound, *sent})


def test_a_held_study_stays_until_it_is_set_free() -> None:
    revision = delivered(1)
    assert review.hold(revision.study, "ada", NOW)
    assert not look()
    review.set_free(Study.objects.get(), "ada")
    assert not look()  # it is looked at again in an hour
    assert look(LATER + timedelta(hours=1)).revisions == 1


def test_a_rejected_revision_goes_by_a_person_only() -> None:
    revision = a_revision(state="review", destinations=(a_folder(),))
    files_of(revision)
    assert review.reject(revision, "ada", now=NOW)
    assert not look(NOW + 1000 * WEEK)
    rows, gone = images.here(), images.Gone()
    policy = facts.policy_of(rejected=True)
    [[row]] = list(images.pages(rows))
    assert isinstance(images.let_go(row, policy, LATER, "ada", gone), Go) and not on_disk()
    assert [(line.excluded, line.expired, line.difference) for line in ledger.balance()] == [(3, 3, 0)]


def test_what_a_sender_was_told_to_be_kept_stays_until_the_term_ends() -> None:
    revision = delivered(1)
    term = NOW + timedelta(days=30)
    Instance.objects.filter(revision=revision, ordinal=1).update(committed_until=term)
    assert not look() and not look(term - timedelta(days=1)) and look(term).revisions == 1


def test_a_result_on_its_way_home_keeps_the_study() -> None:
    revision = delivered(1)
    node = Node.objects.create(name="AI", ae_title="AI", host="127.0.0.1", port=104)
    result = Result.objects.create(
        project=revision.study.project, route=revision.route, node=node, patient="ANON-A", certainty="instances",
        study_uid=revision.study.uid, uid="2.25.9", sop_class="1.2", transfer_syntax="1.2", digest="0", path="x",
        size=1, received_at=NOW,
    )  # fmt: skip
    home = Homecoming.objects.create(result=result, destination=Destination.objects.get(), next_try_at=NOW)
    assert not look()
    Homecoming.objects.filter(pk=home.pk).update(state="refused")
    assert not look(LATER + timedelta(days=1))
    Homecoming.objects.filter(pk=home.pk).update(state="delivered")
    assert look(LATER + timedelta(days=3)).revisions == 1


def test_what_was_released_stays_until_its_evidence_is_made_of_the_files() -> None:
    revision = delivered(1)
    Revision.objects.filter(pk=revision.pk).update(released_at=NOW)
    assert not look() and len(on_disk()) == 3
    Revision.objects.filter(pk=revision.pk).update(evidence="1/001/1-0.json")
    assert look(LATER + timedelta(days=1)).revisions == 1


def test_nothing_goes_by_itself_where_the_settings_say_so(settings: LazySettings) -> None:
    settings.CLEANUP_AFTER_UPLOAD = False
    delivered(1)
    assert not look()
    settings.CLEANUP_AFTER_UPLOAD, settings.RETENTION_FILES = True, 8
    assert not look(LATER + timedelta(hours=1)) and look(LATER + timedelta(days=2)).revisions == 1


def test_what_is_sent_once_more_stays_for_a_whole_term_after_that() -> None:
    revision = delivered(1)
    [delivery] = Delivery.objects.all()
    assert decisions.retry(delivery, "ada", LATER) and not look()
    claim = queue.claim(LATER, "t")
    assert claim is not None and queue.progress(claim, range(3))
    assert queue.finish(claim, Delivered(), LATER)
    assert state(revision) == "delivered" and not look(LATER + timedelta(days=6))
    assert look(LATER + WEEK).revisions == 1
    assert not decisions.retry(delivery, "ada", LATER)


def test_what_changed_since_it_was_chosen_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person retries the delivery between our two looks."""
    revision = delivered(1)
    honest = images.let_go

    def slow(*args: Any) -> Any:
        assert decisions.retry(Delivery.objects.get(), "ada", LATER)
        return honest(*args)

    monkeypatch.setattr(images, "let_go", slow)
    assert not look() and state(revision) == "released" and len(on_disk()) == 3


def test_a_late_image_opens_a_revision_that_stays(settings: LazySettings) -> None:
    """And the folder of the study, with the file of that one."""
    old = delivered(1)
    young = delivered(1, 2, number=2, at=LATER)
    look()
    assert (state(old), state(young)) == ("expired", "delivered") and len(on_disk()) == 2


def test_what_was_delivered_before_the_upgrade_stays_for_a_whole_term_after_it() -> None:
    revision, waiting = delivered(1), a_revision(2, state="released")
    Revision.objects.update(ended_at=None, look_at=None)
    import_module("proxy.studies.migrations.0005_what_is_over_is_kept_from_now").begin_retention(apps, None)
    upgraded = Revision.objects.get(pk=revision.pk).ended_at
    assert upgraded is not None and Revision.objects.get(pk=waiting.pk).ended_at is None
    assert not look(upgraded + WEEK - timedelta(seconds=1))
    assert look(upgraded + WEEK).revisions == 1


# --- killed -----------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


def dies(*args: Any, **named: Any) -> int:
    raise Killed


def after(times: int, honest: Callable[..., Any]) -> Callable[..., Any]:
    left = [times]

    def call(*args: Any, **named: Any) -> Any:
        if not left[0]:
            raise Killed
        left[0] -= 1
        return honest(*args, **named)

    return call


@pytest.mark.parametrize(
    ("where", "name", "times"),
    [
        (files, "remove_many", 0),
        (files, "remove_many", 1),
        (images, "_may_come_again", 1),
        (files, "remove_folder", 0),
    ],
)
def test_promise_2_a_kill_in_between_leaves_files_whose_rows_say_who_removes_them(
    monkeypatch: pytest.MonkeyPatch, where: Any, name: str, times: int
) -> None:
    revision = delivered(1, 7)
    monkeypatch.setattr(images, "FILES", 3)
    with monkeypatch.context() as broken:
        broken.setattr(where, name, after(times, getattr(where, name)))
        with pytest.raises(Killed):
            look()
    assert state(revision) == "expired" and Revision.objects.get().files_gone_at is None
    assert list(images.unfinished()) == [revision]
    assert look(LATER + timedelta(minutes=10)).images == 7
    assert on_disk() == [] and len(marks()) == 1 and not list(images.unfinished())
    assert sum(line.difference for line in ledger.balance()) == 0


def test_promise_2_a_kill_before_the_row_says_it_leaves_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    revision = delivered(1)
    with monkeypatch.context() as broken:
        broken.setattr(images, "record", dies)
        with pytest.raises(Killed):
            look()
    assert state(revision) == "delivered" and len(on_disk()) == 3 and marks() == []


def test_it_stops_between_two_studies_when_told_to() -> None:
    delivered(1)
    delivered(2)
    calls = iter([True, True, False, False])
    gone = images.due(facts.policy_of(), LATER, lambda: next(calls, False), "test")
    assert gone.revisions == 1

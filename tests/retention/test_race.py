"""Retention and whoever still needs the images at the same moment: one of them is first, and the other one sees it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from proxy.audit.models import Entry
from proxy.deliveries import decisions, ledger
from proxy.deliveries.models import Delivery
from proxy.network.asking import SUCCESS
from proxy.retention import facts, images
from proxy.retention.images import Gone
from proxy.retrieval import commitments
from proxy.retrieval.commitments import Facts
from proxy.studies import review
from proxy.studies.models import Instance, Revision
from proxy.studies.retention import Go
from tests.deliveries.test_race import at_once
from tests.retention.help import LATER, delivered, on_disk

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4


def let_go(revision: Revision) -> bool:
    return isinstance(images.let_go(revision, facts.policy_of(), LATER, "test", Gone()), Go)


def state(revision: Revision) -> str:
    return Revision.objects.get(pk=revision.pk).state


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_promise_3_who_sends_it_once_more_or_retention(turn: int) -> None:
    revision = delivered(turn)
    row = Delivery.objects.get()
    won: list[str] = []

    def job(number: int) -> None:
        if number == turn:
            won.extend(["retry"] if decisions.retry(row, "ada", LATER) else [])
        elif let_go(revision):
            won.append("expired")

    at_once(job)
    assert len(set(won)) == 1
    if won[0] == "retry":
        assert (state(revision), Delivery.objects.get().state, len(on_disk())) == ("released", "waiting", 3)
    else:
        assert (state(revision), Delivery.objects.get().state, len(on_disk())) == ("expired", "delivered", 0)
        assert won == ["expired"] and Entry.objects.filter(action="study.expired").count() == 1
    assert sum(line.difference for line in ledger.balance()) == 0


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_promise_3_who_commits_to_keep_it_or_retention(turn: int) -> None:
    revision = delivered(turn)
    first = Instance.objects.order_by("pk")[0]
    asked = Facts(first.pk, first.sop_class, "stored", (revision.pk, 0), is_here=True)
    assert commitments.judge(asked, first.sop_class, "", late=False) == SUCCESS
    told: list[set[int]] = []

    def job(number: int) -> None:
        if number == turn:
            told.append(commitments._keep_for_the_term([asked], LATER))
        else:
            let_go(revision)

    at_once(job)
    kept = Instance.objects.get(pk=first.pk).committed_until == LATER + timedelta(days=30)
    assert told == [{revision.pk} if kept else set()]
    assert (state(revision), len(on_disk())) == (("delivered", 3) if kept else ("expired", 0))


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_who_holds_the_study_or_retention(turn: int) -> None:
    revision = delivered(turn)
    gone: list[int] = []

    def job(number: int) -> None:
        if number == turn:
            assert review.hold(revision.study, "ada", timezone.now(), "wait")
        elif let_go(revision):
            gone.append(number)

    at_once(job)
    assert len(gone) <= 1 and len(on_disk()) == (0 if gone else 3)

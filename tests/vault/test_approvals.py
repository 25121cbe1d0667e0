"""Four eyes: without somebody else's word for this purpose nothing is seen, and every step leaves its mark."""

from datetime import timedelta

import pytest
from django.db import IntegrityError
from django.utils import timezone

from proxy.audit import actions
from proxy.audit.models import Entry
from proxy.vault import reidentify
from proxy.vault.approvals import approve, reject
from proxy.vault.models import Approval
from proxy.vault.pseudonyms import Known, person_for
from proxy.vault.reidentify import NotAllowed, Principal

pytestmark = pytest.mark.django_db(transaction=True)
ADA_ASKS = Principal("ada", lambda permission: True, watched=frozenset({1}))
WHY = "recall of trial 7"


@pytest.fixture
def known() -> Known:
    return person_for(1, "EAST", "AE-4711", {"name": "Exampleova^Ada"}, "1.2.3")


def look(known: Known, purpose: str = WHY, who: Principal = ADA_ASKS) -> str:
    return reidentify.identity_of(who, known.pseudonym, 1, purpose).patient_id


def refused(known: Known, purpose: str = WHY) -> None:
    with pytest.raises(NotAllowed, match="a second person has to approve"):
        look(known, purpose)


def test_promise_9_nothing_is_seen_before_somebody_else_approves(known: Known) -> None:
    refused(known)
    question = Approval.objects.get()
    assert (question.asker, question.purpose, question.project_id) == ("ada", WHY, 1)
    assert approve(question, "ben", timezone.now()) is True
    assert look(known) == "AE-4711"
    said = Entry.objects.order_by("sequence").values_list("action", "actor", "subject", "purpose")
    assert list(said) == [
        (actions.IDENTITY_REFUSED, "ada", known.pseudonym, WHY),
        (actions.LOOK_APPROVED, "ben", "ada", WHY),
        (actions.IDENTITY_VIEWED, "ada", known.pseudonym, WHY),
    ]


def test_who_asks_again_asks_once(known: Known) -> None:
    for _ in range(3):
        refused(known)
    assert Approval.objects.count() == 1


def test_an_approval_is_for_its_purpose_its_asker_and_an_hour(known: Known) -> None:
    refused(known)
    approve(Approval.objects.get(), "ben", timezone.now())
    refused(known, "curiosity")
    with pytest.raises(NotAllowed):
        look(known, who=Principal("cleo", lambda permission: True, watched=frozenset({1})))
    Approval.objects.filter(approver="ben").update(until=timezone.now() - timedelta(seconds=1))
    refused(known)


def test_nobody_approves_for_themselves(known: Known) -> None:
    refused(known)
    question = Approval.objects.get()
    assert approve(question, "ada", timezone.now()) == "nobody approves for themselves."
    refused(known)
    with pytest.raises(IntegrityError):
        Approval.objects.update(approver="ada")


def test_what_is_answered_stays_so_and_a_no_can_be_asked_about_again(known: Known) -> None:
    refused(known)
    question = Approval.objects.get()
    assert reject(question, "ben", timezone.now()) is True
    assert approve(question, "cleo", timezone.now()) is False
    assert Entry.objects.filter(action=actions.LOOK_REJECTED, actor="ben").count() == 1
    refused(known)
    assert Approval.objects.filter(rejected_at=None).count() == 1


def test_a_question_that_nobody_answered_for_a_week_is_asked_anew(known: Known) -> None:
    refused(known)
    Approval.objects.update(asked_at=timezone.now() - timedelta(days=8))
    refused(known)
    assert Approval.objects.filter(rejected_at=None).count() == 1


def test_other_projects_and_standing_grants_need_nobody(known: Known) -> None:
    other = person_for(2, "EAST", "AE-4711", {"name": "Exampleova^Ada"}, "1.2.3")
    assert reidentify.identity_of(ADA_ASKS, other.pseudonym, 2, WHY).patient_id == "AE-4711"
    assert look(known, who=Principal("node CLIN", lambda permission: True)) == "AE-4711"


def test_without_the_permission_there_is_no_question(known: Known) -> None:
    with pytest.raises(NotAllowed, match="without"):
        look(known, who=Principal("intern", lambda permission: False, watched=frozenset({1})))
    assert not Approval.objects.exists()


def test_promise_9_nobody_approves_for_themselves_under_another_name(known: Known) -> None:
    """A user of the backend may be a user of the pages too."""
    them = Principal("backend user 17 (Ada@Ward.example)", lambda permission: True, watched=frozenset({1}))
    with pytest.raises(NotAllowed):
        look(known, who=them)
    question, now = Approval.objects.get(), timezone.now()
    assert approve(question, "ada@ward.example", now) == "nobody approves for themselves."
    assert approve(question, "ada", now, ["ada@ward.EXAMPLE"]) == "nobody approves for themselves."
    assert approve(question, "ward", now, ["", "ward.example"]) is True
    assert look(known, who=them) == "AE-4711"

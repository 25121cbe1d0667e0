"""Who somebody is: behind one permission, for a purpose, in a posted form, and with a mark each time."""

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from proxy.audit.models import Entry
from proxy.routing.models import Project
from proxy.vault.models import Approval
from tests.cast import ADA, NEEDLES
from tests.scene import Scene
from tests.web.conftest import colleague
from tests.web.test_admin import act


def page(scene: Scene) -> str:
    return reverse("admin:vault_person_identity", args=[scene.person.pk])


def marks() -> list[tuple[str, str, str, str]]:
    rows = Entry.objects.filter(action__startswith="identity").order_by("sequence")
    return list(rows.values_list("action", "actor", "subject", "purpose"))


def test_with_permission_and_purpose_the_identity_is_shown_and_marked(chief: Client, scene: Scene) -> None:
    answer = chief.post(page(scene), {"purpose": "the referrer called"})
    text = answer.content.decode()
    assert ADA.id in text and ADA.name in text
    assert marks() == [("identity.viewed", "chief", scene.person.pseudonym, "the referrer called")]


def test_the_answer_is_kept_by_no_browser_and_no_proxy(chief: Client, scene: Scene) -> None:
    answer = chief.post(page(scene), {"purpose": "the referrer called"})
    assert "no-store" in answer["Cache-Control"] and "private" in answer["Cache-Control"]


def test_asking_without_a_purpose_shows_nothing_and_is_marked(chief: Client, scene: Scene) -> None:
    answer = chief.post(page(scene), {"purpose": "  "})
    assert answer.status_code == 200
    assert not [needle for needle in NEEDLES if needle in answer.content.decode()]
    assert [mark[0] for mark in marks()] == ["identity.refused"]


def test_the_form_alone_shows_and_marks_nothing(chief: Client, scene: Scene) -> None:
    text = chief.get(page(scene)).content.decode()
    assert not [needle for needle in NEEDLES if needle in text]
    assert marks() == []


def test_a_purpose_in_the_address_is_no_purpose(chief: Client, scene: Scene) -> None:
    text = chief.get(page(scene), {"purpose": "curious"}).content.decode()
    assert ADA.id not in text and marks() == []


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_the_permission_it_is_refused_and_the_try_is_marked(scene: Scene, method: str) -> None:
    client = colleague("vault.view_person")
    answer = getattr(client, method)(page(scene), {"purpose": "curious"})
    assert answer.status_code == 403
    assert not [needle for needle in NEEDLES if needle in answer.content.decode()]
    assert [mark[:3] for mark in marks()] == [("identity.refused", "colleague", scene.person.pseudonym)]


def test_the_permission_alone_is_enough_and_needs_no_superuser(scene: Scene) -> None:
    client = colleague("vault.view_person", "vault.view_identity")
    assert ADA.name in client.post(page(scene), {"purpose": "the referrer called"}).content.decode()


@pytest.mark.parametrize("key", ["audit.key", "master.keys", "index.key"])
def test_without_a_key_nothing_is_shown_and_the_page_says_why(
    chief: Client, scene: Scene, keys: Path, key: str
) -> None:
    (keys / key).unlink()
    text = chief.post(page(scene), {"purpose": "the referrer called"}).content.decode()
    assert f"The key file {key} is gone; put it back from escrow." in text
    assert not [needle for needle in NEEDLES if needle in text]


def test_a_stranger_is_sent_to_the_login(scene: Scene, client: Client) -> None:
    answer = client.post(page(scene), {"purpose": "curious"})
    assert answer.status_code == 302 and "login" in answer["Location"] and marks() == []


def test_a_forgotten_person_stays_forgotten(chief: Client, scene: Scene) -> None:
    from django.utils import timezone

    type(scene.person).objects.update(forgotten_at=timezone.now(), wrapped_key=None, identity=None)
    answer = chief.post(page(scene), {"purpose": "the referrer called"})
    assert "forgotten" in answer.content.decode() and ADA.id not in answer.content.decode()


def test_promise_9_where_the_project_wants_four_eyes_somebody_else_approves_first(
    chief: Client, scene: Scene
) -> None:
    """The colleague asks, cannot approve it, and sees it once the chief has."""
    Project.objects.update(second_approver=True)
    client = colleague(*(f"vault.{one}" for one in ("view_person", "view_identity", "view_approval")))
    text = client.post(page(scene), {"purpose": "the referrer called"}).content.decode()
    assert "a second person has to approve" in text
    assert not [needle for needle in NEEDLES if needle in text]
    question = Approval.objects.get()
    act(client, Approval, "approve", question)
    assert Approval.objects.get().until is None
    assert "1 approved" in act(chief, Approval, "approve", question)
    assert ADA.name in client.post(page(scene), {"purpose": "the referrer called"}).content.decode()
    assert [mark[:2] for mark in marks()] == [
        ("identity.refused", "colleague"),
        ("identity.look-approved", "chief"),
        ("identity.viewed", "colleague"),
    ]

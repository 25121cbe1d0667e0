"""Pages for whoever answers for privacy."""

import re
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client
from django.utils import timezone

from proxy.backend.models import UserRight
from proxy.routing.models import Destination, Node, Project
from proxy.tiers import customers
from tests.cast import ADA
from tests.scene import Scene
from tests.web.conftest import colleague


@pytest.mark.parametrize("path", ["/legal/dpa", "/legal/dpa/print"])
def test_the_agreement_is_anybodys_to_read_and_says_what_article_28_wants(client: Client, path: str) -> None:
    answer = client.get(path)
    text = answer.content.decode()
    assert answer.status_code == 200
    said = re.findall(r"\(3\)((?:\([a-h]\)(?:, )?)+)", text)
    assert {letter for one in said for letter in re.findall("[a-h]", one)} == set("abcdefgh")
    assert "pseudonymized personal data" in text and "not a medical device" in text
    assert "<script" not in text and "style=" not in text


def test_only_the_print_view_has_lines_to_sign_on(client: Client) -> None:
    assert b"Signatures" in client.get("/legal/dpa/print").content
    assert b"Signatures" not in client.get("/legal/dpa").content


@pytest.mark.parametrize("path", ["/legal/dpa", "/legal/dpa/print", "/legal/records"])
def test_they_are_there_to_be_read_only(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_who_is_not_logged_in_comes_to_the_login(db: None) -> None:
    answer = Client().get("/legal/records")
    assert (answer.status_code, answer["Location"]) == (302, "/admin/login/?next=/legal/records")


def test_the_records_are_for_staff_who_may_see_projects(scene: Scene) -> None:
    assert colleague("studies.view_study").get("/legal/records").status_code == 403


def test_the_records_say_what_is_in_force(chief: Client, scene: Scene, settings: LazySettings) -> None:
    settings.RETENTION_FILES, settings.RETENTION_SEALS, settings.RETENTION_AUDIT = 14, 3_650, 7_300
    text = chief.get("/legal/records").content.decode()
    assert "<td>default</td><td>DICOMRCV</td>" in text and "basic (PS3.15" in text
    assert "ARCHIVE" in text and "127.0.0.1:4242" in text and "outbox" in text
    assert "14 days after they were delivered everywhere" in text and "3650 days" in text
    assert '<th scope="row">the audit</th><td>7300 days</td>' in text
    assert ADA.id not in text and scene.person.pseudonym not in text


def test_customers_and_the_syslog_server_are_in_the_records(
    chief: Client, scene: Scene, settings: LazySettings
) -> None:
    customers.add("acme", "test", timezone.now())
    customers.retire(customers.add("gone", "test", timezone.now()), "test", timezone.now())
    settings.AUDIT_SYSLOG = "logs.example:6514"
    text = chief.get("/legal/records").content.decode()
    assert "customer acme of the service, over HTTP" in text and "customer gone" not in text
    assert "logs.example:6514" in text


def test_what_is_retired_is_not_in_force(chief: Client, scene: Scene) -> None:
    for model in (Destination, Node, Project):
        model._default_manager.update(retired_at=timezone.now())
    text = chief.get("/legal/records").content.decode()
    assert "outbox" not in text and "ARCHIVE (" not in text and "<td>default</td>" not in text


def test_whoever_may_see_identities_is_named_with_purpose_and_last_day(chief: Client, scene: Scene) -> None:
    Node.objects.update(view="identified", grant={"purpose": "treatment", "until": "2030-01-01"})
    last = timezone.now().date()
    UserRight.objects.create(whom="role", name="radiologist", project=Project.objects.get(), until=last)
    text = chief.get("/legal/records").content.decode()
    assert "node ARCHIVE, for treatment, until 2030-01-01" in text
    assert "everybody in a role radiologist of the backend, in default" in text


def test_what_leaves_restored_is_said(chief: Client, scene: Scene, settings: LazySettings) -> None:
    Node.objects.update(view="identified", grant={"purpose": "treatment", "until": "2030-01-01"})
    assert "<td>pseudonymous</td>" in chief.get("/legal/records").content.decode()
    settings.DICOM_ANONYMIZE_PATIENTS = False
    text = chief.get("/legal/records").content.decode()
    assert "<td>identified</td>" in text and "DICOM_ANONYMIZE_PATIENTS=False" in text


def test_a_secret_in_an_address_is_not_shown(chief: Client, scene: Scene) -> None:
    Destination.objects.create(
        name="cloud", kind="dicomweb", url="https://user:secret@dicom.example/root?key=secret"
    )
    text = chief.get("/legal/records").content.decode()
    assert "dicom.example" in text and "secret" not in text


def test_a_recipe_that_cannot_be_read_is_said(chief: Client, scene: Scene, tmp_path: Path) -> None:
    Project.objects.update(recipe=str(tmp_path / "gone.yaml"))
    assert "nothing is received" in chief.get("/legal/records").content.decode()


def test_every_option_of_a_recipe_has_its_words() -> None:
    from proxy.deid.recipe import ALL_OPTIONS
    from proxy.web.legal.records import OPTIONS

    assert set(OPTIONS) == set(ALL_OPTIONS)

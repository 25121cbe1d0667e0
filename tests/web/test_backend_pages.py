"""A person on site confirms what the backend says, and bars what should not be."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from proxy.audit.models import Entry
from proxy.backend.keeping import keep
from proxy.backend.models import BackendNode
from proxy.backend.reading import read
from proxy.routing.models import Node
from tests.backend.said import PACS, configuration
from tests.scene import Scene
from tests.web.test_admin import act

IDENTIFIED = {
    "may": ["find"], "view": "identified", "networks": "10.1.0.5/32", "on_hold": "success", "tls": "off",
    "grant_purpose": "treatment", "grant_until": "2030-01-01",
}  # fmt: skip


@pytest.fixture
def pacs(scene: Scene) -> BackendNode:
    keep(
        read(configuration(PACS | {"name": "North"}, nonsense=1, is_active=7)),
        datetime(2026, 3, 1, tzinfo=UTC),
    )
    return BackendNode.objects.get()


def test_the_identified_view_needs_a_confirmed_address(
    chief: Client, scene: Scene, pacs: BackendNode
) -> None:
    assert pacs.node is not None
    page = reverse("admin:routing_node_change", args=[pacs.node.pk])
    form = IDENTIFIED | {"projects": [scene.study.project_id]}
    assert "confirm its address first" in chief.post(page, form).content.decode()
    assert "1 confirmed" in act(chief, BackendNode, "confirm", pacs)
    assert "confirmed as PACS at 10.1.0.5:104" in str(Entry.objects.order_by("-sequence")[0].detail)
    assert chief.post(page, form).status_code == 302
    row = Node.objects.get(pk=pacs.node.pk)
    assert (row.view, row.host, row.ae_title) == ("identified", "10.1.0.5", "PACS")


def test_its_place_cannot_be_typed(chief: Client, scene: Scene, pacs: BackendNode) -> None:
    assert pacs.node is not None
    form = {"host": "10.9.9.9", "view": "pseudonymous", "networks": "", "on_hold": "success", "tls": "off"}
    assert chief.post(reverse("admin:routing_node_change", args=[pacs.node.pk]), form).status_code == 302
    assert Node.objects.get(pk=pacs.node.pk).host == "10.1.0.5"


def test_a_barred_node_is_out_of_force_and_is_not_retired_elsewhere(
    chief: Client, scene: Scene, pacs: BackendNode
) -> None:
    assert pacs.node is not None
    assert "bar or admit it" in act(chief, Node, "retire", pacs.node)
    assert "1 barred" in act(chief, BackendNode, "bar", pacs)
    assert Node.objects.get(pk=pacs.node.pk).is_retired
    assert "bar or admit it" in act(chief, Node, "reinstate", pacs.node)
    assert "1 admitted" in act(chief, BackendNode, "admit", pacs)
    assert not Node.objects.get(pk=pacs.node.pk).is_retired


def test_the_page_says_what_was_not_believed(chief: Client, scene: Scene, pacs: BackendNode) -> None:
    text = chief.get(reverse("admin:backend_standing_changelist")).content.decode()
    assert "is_active: this must be true or false." in text


def test_no_route_of_the_site_goes_to_a_node_of_the_backend(
    chief: Client, scene: Scene, pacs: BackendNode
) -> None:
    assert "backend:North" not in chief.get(reverse("admin:routing_route_add")).content.decode()
    page = chief.get(reverse("admin:routing_destination_add")).content.decode()
    assert "backend:North" not in page and "ARCHIVE" in page

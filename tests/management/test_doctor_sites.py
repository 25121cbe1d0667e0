"""Whom we know by a certificate when they call, and call without TLS ourselves: anybody could answer, or listen."""

from typing import Any

import pytest
from django.utils import timezone

from proxy.management.doctor.sites import examine_site
from proxy.routing.models import Destination, Node, Project
from tests.scene import Scene

WORDS = "node ARCHIVE shows a certificate when it calls, and we call it without TLS"
SEEING = {
    "view": "identified",
    "certificate": "CN=pacs",
    "host": "pacs.example",
    "grant": {"purpose": "treatment", "until": "2099-01-01"},
}


def is_told(**changes: Any) -> bool:
    Node.objects.update(**{**SEEING, "tls": "off", "networks": [], "may": [], **changes})
    Node.objects.get().projects.set(Project.objects.all())
    return any(WORDS in finding.sentence for finding in examine_site())


def test_who_is_sent_to_in_clear_is_told_of(scene: Scene) -> None:
    assert is_told()
    assert is_told(networks=["192.0.2.0/24"])


@pytest.mark.parametrize(
    "changes",
    [
        {"tls": "on"},
        {"tls": "any-name"},
        {"host": "127.0.0.1"},
        {"certificate": "", "networks": ["192.0.2.0/24"]},
        {"view": "pseudonymous", "grant": None},
    ],
)
def test_over_tls_on_this_machine_and_without_names_nothing_is_said(
    scene: Scene, changes: dict[str, Any]
) -> None:
    assert not is_told(**changes)


def test_a_c_move_may_name_any_of_them(scene: Scene) -> None:
    Destination.objects.update(retired_at=timezone.now())
    assert not is_told()
    assert is_told(may=["find", "retrieve"])

"""The identified view takes more than a word in the site file: proof, projects, and a grant that has not run out."""

import ipaddress
from datetime import date
from typing import Any

import pytest

from proxy.retrieval.views import View, view_of
from proxy.routing.match import NodeFacts
from proxy.vault.reidentify import FORGET, VIEW

TODAY = date(2026, 1, 15)


def facts(**changed: Any) -> NodeFacts:
    given: dict[str, Any] = {
        "id": 1,
        "name": "CLIN",
        "ae_title": "CLIN",
        "host": "127.0.0.1",
        "port": 104,
        "may": frozenset({"find", "retrieve"}),
        "view": "identified",
        "networks": (ipaddress.ip_network("127.0.0.1/32"),),
        "certificate": "",
        "project_ids": frozenset({7}),
        "grant": {"purpose": "treatment", "until": "2026-01-15"},
        "issuer": "",
        "outside": False,
        "on_hold": "success",
    }
    return NodeFacts(**given | changed)


def test_with_everything_it_sees_who_somebody_is_until_the_last_day() -> None:
    view = view_of(facts(), TODAY)
    assert view is not None
    assert view.grant is not None
    assert (view.grant.purpose, view.grant.principal.name) == ("treatment", "node CLIN")
    assert view.grant.principal.may(VIEW)
    assert not view.grant.principal.may(FORGET)


@pytest.mark.parametrize(
    "missing",
    [
        {"networks": ()},
        {"project_ids": frozenset()},
        {"grant": None},
        {"grant": {"purpose": "treatment", "until": "2026-01-14"}},
    ],
)
def test_promise_1_without_any_of_it_nothing_is_seen(missing: dict[str, Any]) -> None:
    assert view_of(facts(**missing), TODAY) is None


def test_other_nodes_see_pseudonyms() -> None:
    assert view_of(facts(view="pseudonymous"), TODAY) == View("CLIN", frozenset({7}))


def test_a_certificate_is_proof_and_is_named_in_the_mark() -> None:
    view = view_of(facts(networks=(), certificate="CN=clin"), TODAY)
    assert view is not None
    assert view.grant is not None
    assert view.grant.principal.name == "node CLIN (CN=clin)"


def test_of_two_views_the_lesser_counts() -> None:
    identified = view_of(facts(), TODAY)
    assert identified is not None
    other = View("B", frozenset({7, 8}))
    assert identified.lesser(other) == View("CLIN", frozenset({7}))
    assert other.lesser(identified) == View("B", frozenset({7}))
    assert identified.lesser(identified).is_identified
    assert View("A", frozenset()).lesser(other).projects == {7, 8}
    assert View("A", frozenset({1})).lesser(other).limits().children == [("project_id__in", frozenset({0}))]

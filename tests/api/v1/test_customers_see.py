"""A customer sees its own project and nothing else: every door that is open to customers, walked by two of them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from proxy.api.description import document
from proxy.api.v1 import audit
from proxy.audit.record import record
from proxy.audit.verify import Report
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Destination, Route
from proxy.studies.models import Revision, Study
from proxy.tiers import customers, keys, owners
from tests.api.v1.conftest import staff
from tests.scene import NOW, Scene
from tests.unguarded import unguard

OPEN = {
    "/v1/studies", "/v1/studies/{number}", "/v1/studies/{number}/revisions", "/v1/deliveries",
    "/v1/deliveries/{number}", "/v1/quarantine", "/v1/quarantine/{number}", "/v1/audit", "/v1/audit/verify",
}  # fmt: skip


@dataclass(frozen=True)
class Own:
    """A customer's client, and the numbers of what is its own."""

    client: Client
    studies: int
    deliveries: int
    quarantine: int

    def of(self, path: str) -> int:
        return int(getattr(self, path.split("/")[2]))


@pytest.fixture
def both(scene: Scene) -> Iterator[tuple[Own, Own]]:
    owners.forget()
    yield own("acme", scene), own("acme_2", scene)
    owners.forget()


def own(name: str, scene: Scene) -> Own:
    now = timezone.now()
    customer = customers.add(name, "test", now)
    project = customer.project
    route = Route.objects.filter(project=project).first() or Route.objects.create(
        called_ae=name, project=project
    )
    study = Study.objects.create(project=project, uid="2.25.1", patient=f"ANON-{name}", received_at=NOW)
    revision = Revision.objects.create(
        study=study, route=route, number=1, opened_at=NOW, quiet_at=NOW, total=1
    )
    delivery = Delivery.objects.create(
        revision=revision, destination=Destination.objects.all()[0], next_try_at=NOW, total=1, created_at=NOW
    )
    held = HeldItem.objects.create(
        project=project, route=route, code="burned-in", reason="Text.", patient=f"ANON-{name}",
        transfer_syntax="1.2.840.10008.1.2.1", path=f"{name}.held", size=1, held_at=NOW,
    )  # fmt: skip
    secret = keys.make(customer, "chief", now).secret
    return Own(Client(headers={"X-API-Key": secret}), study.pk, delivery.pk, held.pk)


def doors(*, for_customers: bool) -> list[tuple[str, str]]:
    """Those of staff, by method and path."""
    return [
        (method, path)
        for path, said in document()["paths"].items()
        for method, door in said.items()
        if {"staff": []} in door.get("security", [])
        and ({"customer": []} in door["security"]) == for_customers
    ]


def test_the_doors_that_are_open_to_customers_are_known() -> None:
    assert set(doors(for_customers=True)) == {("get", path) for path in OPEN}


def test_lists_hold_what_is_the_customers_own(both: tuple[Own, Own]) -> None:
    for mine in both:
        for path in ("/v1/studies", "/v1/deliveries", "/v1/quarantine"):
            found = [one["number"] for one in mine.client.get(path).json()["results"]]
            assert found == [mine.of(path)], path


def test_one_by_one_there_is_what_is_its_own_and_nothing_else(both: tuple[Own, Own], scene: Scene) -> None:
    acme, other = both
    sites = {"studies": scene.study.pk, "deliveries": scene.delivery.pk, "quarantine": scene.item.pk}
    for _, path in doors(for_customers=True):
        if "{number}" in path:
            for mine, theirs in ((acme, other), (other, acme)):
                strange = (theirs.of(path), sites[path.split("/")[2]], 999)
                assert mine.client.get(path.replace("{number}", str(mine.of(path)))).status_code == 200, path
                codes = {mine.client.get(path.replace("{number}", str(one))).status_code for one in strange}
                assert codes == {404}, path


def test_no_filter_leads_out_of_its_project(both: tuple[Own, Own], scene: Scene) -> None:
    acme, other = both
    for query in (
        f"project={scene.study.project.name}",
        "project=acme_2",
        "patient=ANON-acme_2",
        "cursor=999999",
    ):
        found = [one["number"] for one in acme.client.get(f"/v1/studies?{query}").json()["results"]]
        assert set(found) <= {acme.studies}, query
    assert acme.client.get(f"/v1/deliveries?study={other.studies}").json()["results"] == []


def test_what_decides_and_what_names_persons_and_nodes_knows_no_customer(both: tuple[Own, Own]) -> None:
    acme = both[0]
    for method, path in doors(for_customers=False):
        answer = acme.client.generic(method.upper(), re.sub(r"\{\w+\}", "1", path), "{}", "application/json")
        assert answer.status_code == 401, path


def test_of_the_audit_it_sees_what_was_done_with_its_keys(both: tuple[Own, Own], scene: Scene) -> None:
    """`_` means any character to a database, `acme` is how `acme_2` begins, and SQLite may not tell it from `ACME`."""
    acme, other = both
    record("identity.viewed", actor="ada", subject="ANON-acme", purpose="trial")
    record("identity.viewed", actor="customer acmeX2 (key x)", subject="nobody")
    for mine in (acme, other, own("ACME", scene)):
        assert mine.client.get("/v1/usage").status_code == 200  # the first use of a key leaves a mark
    for mine, name in ((acme, "acme"), (other, "acme_2")):
        record("images.given", actor=f"customer {name}")  # over DICOMweb
        entries: list[Any] = mine.client.get("/v1/audit").json()["results"]
        assert len(entries) == 2
        assert {one["actor"].partition(" (key ")[0] for one in entries} == {f"customer {name}"}
        said = mine.client.get("/v1/audit/verify").json()
        assert said == {"is_whole": True, "entries": len(entries), "findings": []}


def test_a_customer_hears_that_the_chain_is_not_whole_and_nothing_of_others(both: tuple[Own, Own]) -> None:
    record("identity.viewed", actor="ada", subject="ANON-SECRET", purpose="trial")
    unguard()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE audit_entry SET actor = 'nobody' WHERE subject = 'ANON-SECRET'")
    said = both[0].client.get("/v1/audit/verify").json()
    assert (said["is_whole"], said["findings"]) == (False, [])


def test_no_customer_has_the_chain_read_again_and_again(
    both: tuple[Own, Own], monkeypatch: pytest.MonkeyPatch
) -> None:
    now, reads = [0.0], []

    def read(path: object) -> Report:
        reads.append(now[0])
        return Report(1, ())

    monkeypatch.setattr(audit, "verify", read)
    monkeypatch.setattr(audit.verdict, "_clock", lambda: now[0])
    for now[0] in (0.0, 1.0, 299.0, 301.0, 302.0):
        assert both[0].client.get("/v1/audit/verify").json()["is_whole"] is True
    assert reads == [0.0, 301.0]
    assert staff("audit.view_entry").get("/v1/audit/verify").status_code == 200
    assert len(reads) == 3


def test_staff_see_all_projects(both: tuple[Own, Own], scene: Scene) -> None:
    found = [one["number"] for one in staff("studies.view_study").get("/v1/studies").json()["results"]]
    assert set(found) == {scene.study.pk, both[0].studies, both[1].studies}

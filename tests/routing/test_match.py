import ipaddress
from dataclasses import replace

import pytest
from django.db import DatabaseError
from django.utils import timezone

from proxy.routing.match import NodeFacts, RouteFacts, SnapshotCache, Table, build_table, load_table
from proxy.routing.models import Destination, Node, Project, Route

ROUTE = RouteFacts(1, "DICOMRCV", "", 1, "default", "basic", "", (1,), False)
NODE = NodeFacts(
    id=1,
    name="CT_EAST",
    ae_title="CT_EAST",
    host="127.0.0.1",
    port=11104,
    may=frozenset({"store"}),
    view="pseudonymous",
    networks=(),
    certificate="",
    project_ids=frozenset(),
    grant=None,
    issuer="",
    outside=False,
    on_hold="success",
)


def networks(*texts: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def test_the_route_that_names_the_caller_wins() -> None:
    special = replace(ROUTE, id=2, calling_ae="PET_1", project_name="research")
    table = build_table([ROUTE, special], [])
    assert table.route_for("DICOMRCV", "PET_1") == special
    assert table.route_for("DICOMRCV", "CT_EAST") == ROUTE
    assert table.route_for(" DICOMRCV ", "PET_1  ") == special


def test_an_unknown_called_ae_has_no_route() -> None:
    table = build_table([ROUTE], [])
    assert table.route_for("OTHER", "CT_EAST") is None
    assert table.route_for("dicomrcv", "CT_EAST") is None
    assert table.answers_to("DICOMRCV") and not table.answers_to("OTHER")


def test_a_called_ae_with_routes_for_others_only_is_known_but_leads_nowhere() -> None:
    table = build_table([replace(ROUTE, calling_ae="PET_1")], [])
    assert table.answers_to("DICOMRCV")
    assert table.route_for("DICOMRCV", "CT_EAST") is None


def test_a_node_is_known_by_its_ae_title_and_its_network() -> None:
    table = build_table([], [replace(NODE, networks=networks("10.1.0.0/16"))])
    assert table.node_for("CT_EAST", "10.1.2.3") is not None
    assert table.node_for("CT_EAST", "::ffff:10.1.2.3") is not None
    assert table.node_for("CT_EAST", "10.2.2.3") is None
    assert table.node_for("CT_EAST", "nonsense") is None
    assert table.node_for("CT_WEST", "10.1.2.3") is None


def test_a_bound_certificate_must_be_shown() -> None:
    table = build_table([], [replace(NODE, certificate="CN=ct-east")])
    assert table.node_for("CT_EAST", "10.1.2.3") is None
    assert table.node_for("CT_EAST", "10.1.2.3", "CN=other") is None
    assert table.node_for("CT_EAST", "10.1.2.3", "CN=ct-east") is not None


def test_of_two_nodes_with_one_ae_title_the_better_proven_one_answers() -> None:
    anywhere = NODE
    campus = replace(NODE, id=2, networks=networks("10.0.0.0/8"))
    ward = replace(NODE, id=3, networks=networks("10.1.0.0/16"))
    bound = replace(NODE, id=4, certificate="CN=ct-east")
    table = build_table([], [anywhere, campus, ward, bound])
    assert table.node_for("CT_EAST", "192.0.2.1") == anywhere
    assert table.node_for("CT_EAST", "10.9.0.1") == campus
    assert table.node_for("CT_EAST", "10.1.0.1") == ward
    assert table.node_for("CT_EAST", "10.1.0.1", "CN=ct-east") == bound


@pytest.mark.parametrize(
    ("wish", "public", "private_known", "private_unknown"),
    [
        ("echo", True, True, False),
        ("store", True, True, False),
        ("find", False, False, False),
        ("retrieve", False, False, False),
    ],
)
def test_public_mode_opens_echo_and_store_and_nothing_else(
    wish: str, public: bool, private_known: bool, private_unknown: bool
) -> None:
    table = Table()
    assert table.may(None, wish, public=True) is public
    assert table.may(NODE, wish, public=False) is private_known
    assert table.may(None, wish, public=False) is private_unknown


@pytest.mark.django_db
def test_the_table_holds_what_is_in_force() -> None:
    project = Project.objects.create(name="default", issuer="HOSPITAL")
    gone = Project.objects.create(name="gone", retired_at=timezone.now())
    outbox = Destination.objects.create(name="outbox", kind="folder", path="outbox")
    closed = Destination.objects.create(name="closed", kind="folder", path="x", retired_at=timezone.now())
    Node.objects.create(name="OLD", ae_title="OLD", host="h", port=104, retired_at=timezone.now())
    node = Node.objects.create(
        name="CT", ae_title="CT_EAST", host="h", port=104, may=["store"], networks=["10.0.0.0/8"]
    )
    node.projects.add(project)
    route = Route.objects.create(called_ae="DICOMRCV", project=project, review=True)
    route.destinations.set([outbox, closed])
    Route.objects.create(called_ae="GONE", project=gone)
    Route.objects.create(called_ae="OLD", project=project, retired_at=timezone.now())
    table = load_table()
    assert table.route_for("DICOMRCV", "ANY") == RouteFacts(
        route.pk, "DICOMRCV", "", project.pk, "default", "basic", "HOSPITAL", (outbox.pk,), True
    )
    assert not table.answers_to("GONE") and not table.answers_to("OLD")
    found = table.node_for("CT_EAST", "10.0.0.7")
    assert found is not None and found.project_ids == {project.pk} and found.may == {"store"}
    assert table.node_for("OLD", "10.0.0.7") is None


def test_the_snapshot_is_reloaded_after_a_second() -> None:
    loads: list[Table] = []

    def load() -> Table:
        loads.append(Table())
        return loads[-1]

    cache = SnapshotCache(load)
    assert cache.get(100.0) is cache.get(100.9)
    assert cache.get(101.0) is loads[1]


def test_the_last_snapshot_stays_while_the_database_is_away() -> None:
    answers: list[Table | DatabaseError] = [Table(), DatabaseError("away")]

    def load() -> Table:
        answer = answers.pop(0)
        if isinstance(answer, DatabaseError):
            raise answer
        return answer

    cache = SnapshotCache(load)
    first = cache.get(0.0)
    assert cache.get(5.0) is first


def test_without_any_snapshot_a_lost_database_is_an_error() -> None:
    def load() -> Table:
        raise DatabaseError("away")

    with pytest.raises(DatabaseError):
        SnapshotCache(load).get(0.0)

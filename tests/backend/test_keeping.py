"""The backend's nodes stand beside the site's: neither retires the other's, and the backend loosens nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from proxy.audit.models import Entry
from proxy.backend import confirming, dispatches, remembered
from proxy.backend.keeping import PLATFORM, keep, make_so_again
from proxy.backend.models import BackendNode, Standing
from proxy.backend.reading import read
from proxy.network.door import Caller
from proxy.reception.door import INACTIVE, Reception
from proxy.routing.match import SnapshotCache
from proxy.routing.models import Destination, Node
from proxy.routing.site import NodeSpec, SiteError, apply, ensure_first_site, export, load_site
from proxy.routing.site import read as read_site
from proxy.vault import keyring
from tests.backend.said import PACS, WARD, configuration

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SITE = read_site("""
projects: [{name: default, recipe: basic}]
nodes: [{name: ARCHIVE, ae_title: ARCHIVE, host: 127.0.0.1, port: 4242, may: [find]}]
destinations: [{name: outbox, kind: folder, path: outbox}]
routes: [{called_ae: DICOMRCV, project: default, destinations: [outbox]}]
""")
ARCHIVE = {"id": "n3", "name": "Archive", "ae_title": "ARCHIVE", "ip": "127.0.0.1", "port": 4242} | {
    "permission": "read_write"
}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(tmp_path: Path, settings: LazySettings) -> None:
    settings.KEY_DIR = tmp_path / "keys"
    settings.ITH_URL = "http://127.0.0.1:1"
    keyring.ensure_keys(settings.KEY_DIR)
    apply(SITE, "test")


def say(*nodes: Any, **changes: Any) -> None:
    keep(read(configuration(*nodes, **changes), remembered.last_known()), NOW)


def node(name: str) -> Node:
    return Node.objects.get(name=name)


def destinations_for(row: BackendNode) -> list[Destination]:
    """Those that a dispatch would go to."""
    return [one for one in dispatches.targets() if one.node_id == row.node_id]


def give_identity(name: str) -> None:
    """As the admin's page does it."""
    row = node(name)
    row.view, row.grant = Node.IDENTIFIED, {"purpose": "treatment", "until": "2030-01-01"}
    row.save()


def test_what_it_says_becomes_nodes_and_destinations_with_marks() -> None:
    say(PACS, WARD)
    pacs, ward = node("backend:PACS"), node("backend:WARD")
    assert (pacs.may, pacs.view, pacs.networks) == (["find", "retrieve"], "pseudonymous", ["10.1.0.5/32"])
    assert ward.may == []
    assert {one.name for one in Destination.objects.filter(origin="backend")} == {pacs.name, ward.name}
    changes = Entry.objects.order_by("-sequence")[0]
    assert changes.actor == "backend" and "node backend:PACS created" in changes.detail["changes"]
    before = Entry.objects.count()
    say(PACS, WARD)
    assert Entry.objects.count() == before


def test_neither_retires_what_the_other_named() -> None:
    say(PACS)
    before = export()
    apply(SITE, "test")
    ensure_first_site()
    assert not node("backend:PACS").is_retired and export() == before
    say()
    assert node("backend:PACS").is_retired and load_site() == SITE.in_order()
    say(PACS)
    assert not node("backend:PACS").is_retired


def test_a_site_file_uses_no_name_of_the_backends() -> None:
    with pytest.raises(SiteError, match="the backend's"):
        read_site("nodes: [{name: 'backend:PACS', ae_title: A, host: h, port: 1}]")


def test_a_node_at_the_place_of_the_sites_is_that_node_with_its_rights() -> None:
    say(ARCHIVE)
    row = BackendNode.objects.get()
    assert row.node == node("ARCHIVE") and node("ARCHIVE").may == ["find"]
    assert [one.name for one in destinations_for(row)] == ["backend:ARCHIVE"]
    assert Node.objects.exclude(name=PLATFORM).count() == 1
    say(ARCHIVE | {"is_active": False})
    assert not node("ARCHIVE").is_retired and not destinations_for(row)


def test_a_node_of_a_host_name_may_ask_nothing_until_something_proves_who_asks() -> None:
    say(PACS | {"ip_address": "pacs.example"})
    assert node("backend:PACS").may == []
    Node.objects.filter(name="backend:PACS").update(networks=["10.0.0.0/24"])
    make_so_again(NOW)
    assert node("backend:PACS").may == ["find", "retrieve"]


def test_what_a_person_gave_stays_until_the_backend_moves_the_node() -> None:
    say(PACS)
    row = BackendNode.objects.get()
    assert not confirming.may_see_identities(node("backend:PACS"))
    assert confirming.confirm(row, "ada", NOW) is True
    assert confirming.may_see_identities(node("backend:PACS"))
    give_identity("backend:PACS")
    say(PACS | {"name": "Renamed"})
    assert node("backend:PACS").view == "identified"
    say(PACS | {"name": "Renamed", "port": 105})
    assert node("backend:PACS").view == "pseudonymous" and node("backend:PACS").grant is None
    assert not confirming.may_see_identities(node("backend:PACS"))
    assert BackendNode.objects.get().confirmed_at is None


@pytest.mark.parametrize("change", [{"ip_address": "10.6.6.6"}, {"port": 4}, {"ae_title": "EVIL"}])
def test_going_away_and_coming_back_gives_no_identity(change: dict[str, Any]) -> None:
    say(PACS)
    confirming.confirm(BackendNode.objects.get(), "ada", NOW)
    give_identity("backend:PACS")
    say()
    say(PACS | change)
    say(PACS)
    assert node("backend:PACS").view == "pseudonymous" and BackendNode.objects.get().confirmed_at is None


def test_another_id_at_a_confirmed_place_is_another_node() -> None:
    say(PACS)
    confirming.confirm(BackendNode.objects.get(), "ada", NOW)
    give_identity("backend:PACS")
    say(PACS | {"id": "n7"})
    standing = Node.objects.filter(origin="backend", retired_at=None).exclude(name=PLATFORM)
    assert [one.view for one in standing] == ["pseudonymous"]


def test_the_backend_cannot_speak_for_a_caller_whom_the_site_knows() -> None:
    apply(replace(SITE, nodes=(NodeSpec("CT", "CT", "10.1.0.7", 104, networks=("10.0.0.0/8",)),)), "test")
    say(PACS | {"ae_title": "CT", "ip_address": "10.1.0.8"})
    found = remembered.load_table().node_for("CT", "10.1.0.8")
    assert found is not None and found.name == "CT" and not found.may


def test_a_person_bars_a_node_for_good() -> None:
    say(PACS)
    row = BackendNode.objects.get()
    assert confirming.bar(row, "ada", NOW) and not confirming.bar(row, "ada", NOW)
    say(PACS)
    assert node("backend:PACS").is_retired and not destinations_for(row)
    assert confirming.admit(row, "ada", NOW)
    assert not node("backend:PACS").is_retired


def test_inactive_and_private_tighten_and_public_does_not_open() -> None:
    say(is_active=False)
    assert remembered.load_table().is_closed
    said = configuration()
    said["config"]["mode"] = "private"
    keep(read(said), NOW)
    table = remembered.load_table()
    assert table.is_private and not table.is_closed


def test_inactive_refuses_every_association(settings: LazySettings) -> None:
    nothing: Any = None
    door = Reception(nothing, SnapshotCache(remembered.load_table, 0.0), *[nothing] * 6)
    caller = Caller("DICOMRCV", "CT_EAST", "10.0.0.1", 40000)
    settings.DICOM_MODE = "public"
    assert door.admit(caller) is None
    say(is_active=False)
    assert door.admit(caller) is INACTIVE
    settings.ITH_URL = ""
    assert door.admit(caller) is None


def test_a_private_backend_lets_no_stranger_in(settings: LazySettings) -> None:
    nothing: Any = None
    door = Reception(nothing, SnapshotCache(remembered.load_table, 0.0), *[nothing] * 6)
    caller = Caller("DICOMRCV", "STRANGER", "10.0.0.1", 40000)
    settings.DICOM_MODE = "private"
    say()
    assert door.admit(caller) is not None
    settings.DICOM_MODE = "public"
    said = configuration()
    said["config"]["mode"] = "private"
    keep(read(said), NOW)
    assert door.admit(caller) is not None


def test_pseudonymization_is_off_only_if_the_site_lets_the_backend_decide(settings: LazySettings) -> None:
    said = configuration()
    said["config"]["enable_phi_anonymization"] = False
    keep(read(said), NOW)
    assert remembered.anonymizes()
    settings.ITH_DECIDES_ANONYMIZATION = True
    assert not remembered.anonymizes()
    settings.ITH_URL = ""
    assert remembered.anonymizes()
    settings.DICOM_ANONYMIZE_PATIENTS = False
    assert not remembered.anonymizes()


def test_refused_fields_are_kept_for_the_page() -> None:
    say(PACS | {"port": 0})
    row = Standing.objects.get()
    assert row.refused[0][0] == "nodes[0].port" and row.said["nodes"] == []


def test_trouble_leaves_what_holds_and_only_inactive_closes() -> None:
    say(PACS)
    for state in (Standing.AWAY, Standing.UNAUTHORISED, Standing.UNKNOWN, Standing.NONSENSE):
        remembered.note_trouble(state, "no.", NOW)
        assert not remembered.load_table().is_closed and not node("backend:PACS").is_retired
    remembered.note_trouble(Standing.INACTIVE, "no.", NOW)
    assert remembered.load_table().is_closed
    assert remembered.last_known().nodes[0].name == "PACS"
    say(PACS)
    assert not remembered.load_table().is_closed


def test_without_a_backend_nothing_is_remembered_as_said() -> None:
    assert remembered.last_known().nodes == () and not remembered.load_table().is_closed


def test_nobody_can_call_as_the_platform() -> None:
    say(PACS)
    table = remembered.load_table()
    assert table.nodes["BACKEND"][0].outside
    assert all(
        table.node_for("BACKEND", one) is None for one in ("10.1.0.5", "127.0.0.1", "::1", "0.0.0.0", "")
    )


def test_a_node_that_calls_itself_platform_is_another() -> None:
    say(PACS | {"name": "platform"})
    assert node("backend:n1").ae_title == "PACS" and node(PLATFORM).ae_title == "BACKEND"


def test_without_a_backend_its_nodes_are_nobody(settings: LazySettings) -> None:
    say(PACS)
    assert remembered.load_table().node_for("PACS", "10.1.0.5") is not None
    settings.ITH_URL = ""
    assert remembered.load_table().node_for("PACS", "10.1.0.5") is None
    assert remembered.load_table().node_for("ARCHIVE", "127.0.0.1") is not None


def test_what_concerns_the_whole_house_leaves_a_mark_when_it_changes() -> None:
    said = configuration(is_active=False)
    said["config"] |= {"mode": "private", "enable_phi_anonymization": False}
    keep(read(said), NOW)
    changes = Entry.objects.order_by("-sequence")[0].detail["changes"]
    assert changes == [
        "this proxy is inactive: associations are refused",
        "only nodes may come in",
        "it wants pseudonymization off",
    ]
    before = Entry.objects.count()
    keep(read(said), NOW)
    assert Entry.objects.count() == before
    say()
    assert "this proxy is active" in Entry.objects.order_by("-sequence")[0].detail["changes"]


def test_an_event_closes_even_a_house_that_never_got_a_configuration() -> None:
    assert remembered.close() and not remembered.close()
    assert remembered.load_table().is_closed

"""`apply` makes the database say what the site says, and `export` gives the site back."""

import string
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import LazySettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.routing.models import Destination, Node, Project, Route
from proxy.routing.site import (
    DestinationSpec,
    GrantSpec,
    NodeSpec,
    ProjectSpec,
    RouteSpec,
    Site,
    SiteError,
    apply,
    ensure_first_site,
    export,
    load_site,
)
from proxy.routing.site.reading import read as read_file
from proxy.routing.site.recipes import is_file_name
from proxy.routing.site.writing import dump
from proxy.storage.templates import IMAGE, STUDY

Told = list[tuple[str, list[str]]]

SITE = Site(
    projects=(ProjectSpec("default"), ProjectSpec("trial", "research", "HOSPITAL")),
    nodes=(
        NodeSpec("CT_EAST", "CT_EAST", "127.0.0.1", 11104, ("store",)),
        NodeSpec(
            "CLIN",
            "CLIN",
            "127.0.0.1",
            4242,
            ("find", "retrieve"),
            view="identified",
            networks=("127.0.0.1/32",),
            projects=("default",),
            grant=GrantSpec("treatment", "2030-01-01"),
        ),
    ),
    destinations=(
        DestinationSpec("pacs", "dimse", "CLIN"),
        DestinationSpec(
            "outbox",
            "folder",
            path="outbox",
            at_once=2,
            images_per_minute=600,
            megabytes_per_minute=90,
            windows=("22:00-06:00", "Sat-Sun 00:00-24:00"),
        ),
        DestinationSpec(
            "cloud",
            "dicomweb",
            url="https://dicom.example/root",
            auth="oauth2",
            user="postern",
            secret="DESTINATION_CLOUD",
            token_url="https://login.example/token",
            scope="dicom",
            authorities="/tls/ca.pem",
            certificate="/tls/postern.pem",
            key="/tls/postern.key",
        ),
    ),
    routes=(
        RouteSpec(
            "DICOMRCV",
            "default",
            destinations=("outbox", "pacs"),
            ask_counts="CLIN",
            priority="urgent",
            exclude=("*dose*", "Patient Protocol"),
        ),
    ),
).in_order()


def read(text: str) -> Site:
    return read_file(text, recipe_trouble=lambda recipe: None)


@pytest.mark.django_db
class TestApplying:
    def test_what_the_site_says_is_in_force_afterwards(self, told: Told) -> None:
        changes = apply(SITE, "ada")
        assert load_site() == SITE
        assert [change.event for change in changes.all] == ["created"] * 8
        assert told == [("ada", changes.sentences())]
        assert "route * → DICOMRCV created" in changes.sentences()

    def test_applying_twice_changes_nothing_and_leaves_no_mark(self, told: Told) -> None:
        apply(SITE, "ada")
        before = [list(model.objects.order_by("pk").values()) for model in (Node, Route)]
        assert not apply(SITE, "ada")
        assert [list(model.objects.order_by("pk").values()) for model in (Node, Route)] == before
        assert len(told) == 1

    def test_a_dry_run_says_the_same_and_does_nothing(self, told: Told) -> None:
        changes = apply(SITE, "ada", dry_run=True)
        assert not Project.objects.exists() and not told
        assert apply(SITE, "ada") == changes

    def test_a_change_names_its_fields(self, told: Told) -> None:
        apply(SITE, "ada")
        other = read(export().replace("port: 11104", "port: 11105").replace("[outbox, pacs]", "[outbox]"))
        assert apply(other, "ada").sentences() == [
            "node CT_EAST updated: port",
            "route * → DICOMRCV updated: destinations",
        ]

    def test_a_pacs_that_a_route_asks_has_to_be_known(self) -> None:
        with pytest.raises(SiteError, match=r"routes.0..ask_counts: nodes has no 'CLIM'; did you mean CLIN"):
            read(dump(SITE).replace("ask_counts: CLIN", "ask_counts: CLIM"))

    def test_what_is_no_longer_named_is_retired_and_comes_back_as_itself(self, told: Told) -> None:
        apply(SITE, "ada")
        ids = {row.name: row.pk for row in Destination.objects.all()}
        changes = apply(Site(projects=SITE.projects[:1]), "ada")
        assert changes.sentences() == [
            "route * → DICOMRCV retired",
            "destination cloud retired",
            "destination outbox retired",
            "destination pacs retired",
            "node CLIN retired",
            "node CT_EAST retired",
            "project trial retired",
        ]
        assert Destination.objects.count() == 3 and load_site() == Site(projects=SITE.projects[:1])
        back = apply(SITE, "ada")
        assert {change.event for change in back.all} == {"reinstated"}
        assert load_site() == SITE
        assert {row.name: row.pk for row in Destination.objects.all()} == ids

    def test_a_failure_in_the_middle_leaves_everything_as_it_was(
        self, told: Told, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any, **kwargs: Any) -> None:
            raise RuntimeError("power cut")

        monkeypatch.setattr("proxy.routing.site.keeping.tell", fail)
        with pytest.raises(RuntimeError):
            apply(SITE, "ada")
        assert not Project.objects.exists() and not Route.objects.exists()


@pytest.mark.django_db
class TestTheFirstStart:
    def test_without_a_file_images_go_to_a_folder(self, told: Told, settings: LazySettings) -> None:
        settings.DICOM_AE_TITLE = "GATEWAY"
        ensure_first_site()
        assert export() == (
            "projects:\n  - {name: default}\n"
            "nodes: []\n"
            "destinations:\n  - {name: outbox, kind: folder, path: outbox}\n"
            "routes:\n  - {called_ae: GATEWAY, project: default, destinations: [outbox]}\n"
        )

    def test_a_second_start_changes_nothing(self, told: Told) -> None:
        ensure_first_site()
        assert not ensure_first_site()
        assert len(told) == 1

    def test_a_configured_house_is_left_alone(self, told: Told) -> None:
        apply(Site(projects=(ProjectSpec("trial"),)), "ada")
        apply(Site(), "ada")
        assert not ensure_first_site()
        assert load_site() == Site()

    def test_the_pacs_of_the_settings_is_a_node_and_a_destination(
        self, told: Told, settings: LazySettings
    ) -> None:
        settings.DICOM_PACS_HOST, settings.DICOM_PACS_PORT = "pacs.example", 104
        settings.DICOM_PACS_AE_TITLE = "HALO_CORE"
        ensure_first_site()
        site = load_site()
        assert site.nodes == (NodeSpec("PACS", "HALO_CORE", "pacs.example", 104, ("find", "retrieve")),)
        assert DestinationSpec("PACS", "dimse", "PACS") in site.destinations
        assert not ensure_first_site()

    def test_a_site_file_without_it_does_not_retire_the_pacs(
        self, told: Told, settings: LazySettings
    ) -> None:
        settings.DICOM_PACS_HOST = "pacs.example"
        apply(SITE, "ada")
        assert {node.name for node in load_site().nodes} == {"CT_EAST", "CLIN", "PACS"}
        settings.DICOM_PACS_PORT = 4711
        assert ensure_first_site().sentences() == ["node PACS updated: port"]

    def test_a_site_file_may_say_more_about_the_pacs(self, told: Told, settings: LazySettings) -> None:
        settings.DICOM_PACS_HOST, settings.DICOM_PACS_PORT = "pacs.example", 104
        apply(Site(nodes=(NodeSpec("PACS", "X", "other", 1, ("store",), issuer="HOSPITAL"),)), "ada")
        assert load_site().nodes == (
            NodeSpec("PACS", "PACS", "pacs.example", 104, ("store",), issuer="HOSPITAL"),
        )


BACKEND = DestinationSpec("backend", "backend")
OUTBOX = DestinationSpec("outbox", "folder", path="outbox")


@pytest.mark.django_db
class TestTheBackendOfTheSettings:
    @pytest.fixture(autouse=True)
    def a_backend(self, told: Told, settings: LazySettings) -> None:
        settings.ITH_URL, settings.ITH_TOKEN = "https://backend.example", "t0ken"
        settings.DICOM_AE_TITLE = "GATEWAY"

    def test_a_first_start_delivers_to_it(self) -> None:
        ensure_first_site()
        assert load_site().destinations == (BACKEND,)
        assert load_site().routes == (RouteSpec("GATEWAY", "default", destinations=("backend",)),)
        assert not ensure_first_site()
        assert "t0ken" not in export()
        assert read(export()) == load_site()

    @pytest.mark.parametrize("missing", ["ITH_URL", "ITH_TOKEN"])
    def test_half_a_backend_is_none(self, settings: LazySettings, missing: str) -> None:
        setattr(settings, missing, "")
        ensure_first_site()
        assert load_site().destinations == (OUTBOX,)

    def test_a_house_that_nobody_configured_delivers_to_it_from_now_on_too(
        self, settings: LazySettings
    ) -> None:
        settings.ITH_URL = ""
        ensure_first_site()
        settings.ITH_URL = "https://backend.example"
        ensure_first_site()
        assert load_site().destinations == (BACKEND, OUTBOX)
        assert load_site().routes[0].destinations == ("backend", "outbox")
        assert not ensure_first_site()

    def test_a_configured_house_has_it_and_its_routes_stay(self) -> None:
        apply(SITE, "ada")
        ensure_first_site()
        assert set(load_site().destinations) == {*SITE.destinations, BACKEND}
        assert load_site().routes == SITE.routes

    def test_where_it_stands_in_the_routes_is_the_operators_word(self) -> None:
        ensure_first_site()
        mine = Site(
            (ProjectSpec("default"),), (), (OUTBOX,), (RouteSpec("X", "default", destinations=("outbox",)),)
        )
        apply(mine, "ada")
        assert not ensure_first_site()
        assert load_site().routes == mine.routes

    def test_a_site_file_may_say_more_about_it(self) -> None:
        mine = DestinationSpec("platform", "backend", authorities="/tls/ca.pem")
        apply(Site(destinations=(mine,)), "ada")
        assert load_site().destinations == (mine,)


words = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=12)
visible = st.characters(categories=["L", "N", "P", "S"], exclude_characters="\\")
texts = st.lists(st.text(visible, min_size=1, max_size=6), min_size=1, max_size=3).map(" ".join)
recipes = texts.filter(lambda text: not is_file_name(text))  # a file's would need its full path
ascii_words = st.text("".join(map(chr, range(33, 127))).replace("\\", ""), min_size=1, max_size=7)
ae_titles = st.lists(ascii_words, min_size=1, max_size=2).map(" ".join)


def several(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(strategy, max_size=3).map(lambda found: tuple(sorted(found)))


@st.composite
def sites(draw: Callable[..., Any]) -> Site:
    projects = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    nodes = draw(st.lists(texts, max_size=3, unique=True))
    folders = draw(st.lists(texts, max_size=3, unique=True))
    calls = draw(st.lists(st.tuples(ae_titles, ae_titles | st.just("")), max_size=3, unique=True))
    return Site(
        tuple(ProjectSpec(name, draw(recipes), draw(texts)) for name in projects),
        tuple(draw(node(name, number, projects)) for number, name in enumerate(nodes)),
        tuple(
            DestinationSpec(
                name,
                "dimse",
                draw(st.sampled_from(nodes)),
                associations=draw(st.integers(1, 16)),
                commitment=draw(st.booleans()),
            )
            if nodes and draw(st.booleans())
            else draw(web(name))
            if draw(st.booleans())
            else DestinationSpec(
                name,
                "folder",
                path=f"out/{number}",
                zip=(zip_ := draw(st.booleans())),
                template=draw(st.sampled_from(["", STUDY if zip_ else IMAGE])),
            )
            for number, name in enumerate(folders)
        ),
        tuple(
            RouteSpec(
                called,
                draw(st.sampled_from(projects)),
                calling,
                draw(several(st.sampled_from(folders))) if folders else (),
                draw(st.booleans()),
                ask_counts=draw(st.sampled_from(["", *nodes])),
            )
            for called, calling in calls
        ),
    ).in_order()


@st.composite
def node(draw: Callable[..., Any], name: str, number: int, projects: list[str]) -> NodeSpec:
    identified = draw(st.booleans())
    grant = GrantSpec(draw(texts), draw(st.dates()).isoformat()) if identified else None
    return NodeSpec(
        name,
        draw(ae_titles),
        f"host{number}",
        draw(st.integers(1, 65535)),
        draw(several(st.sampled_from(["store", "find", "retrieve"]))),
        "identified" if identified else "pseudonymous",
        draw(several(st.ip_addresses().map(lambda ip: f"{ip}/{ip.max_prefixlen}"))),
        draw(texts) if identified else "",
        tuple(sorted(projects)) if identified else (),
        grant,
        draw(texts) if draw(st.booleans()) else "",
        draw(st.booleans()),
        draw(st.sampled_from(["success", "refuse"])),
    )


@st.composite
def web(draw: Callable[..., Any], name: str) -> DestinationSpec:
    url = draw(
        st.sampled_from(["https://a.example", "https://b.example:8443/dicom-web", "http://127.0.0.1:1"])
    )
    auth = draw(st.sampled_from(["none", "basic", "header", "bearer", "oauth2"]))
    return DestinationSpec(
        name,
        "dicomweb",
        url=url,
        auth=auth,
        secret="" if auth == "none" else "DESTINATION_ONE",
        user=draw(st.text(string.ascii_letters + ",#{}'", min_size=1, max_size=9)),
        token_url="https://c.example/token" if auth == "oauth2" else "",
        certificate=draw(st.sampled_from(["", "tls/a.pem"])),
        insecure=draw(st.booleans()),
    )


@given(sites())
def test_what_is_written_is_read_back_equal(site: Site) -> None:
    assert read(dump(site)).in_order() == site


@pytest.mark.django_db
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(site=sites(), other=sites())
def test_whatever_was_before_the_site_is_true_afterwards(told: Told, site: Site, other: Site) -> None:
    apply(other, "ada")
    apply(site, "ada")
    assert load_site() == site
    assert read(export()).in_order() == site
    assert not apply(site, "ada")

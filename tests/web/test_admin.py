"""The admin shows every model, edits only the configuration, and never shows who somebody is."""

import html
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from proxy.audit.models import Entry, Head
from proxy.audit.verify import verify
from proxy.backend.models import UserRight
from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination, Node, Project, Route
from proxy.routing.site import apply, load_site
from proxy.studies.models import Revision, Series, Study
from proxy.web.templatetags import house
from tests.cast import NEEDLES
from tests.scene import NOW, Scene
from tests.unguarded import unguard
from tests.web.conftest import colleague

ROOMS = ("audit", "vault", "routing", "backend", "studies", "quarantine", "deliveries", "retrieval")
MODELS = [model for room in ROOMS for model in apps.get_app_config(room).get_models()]
READ_ONLY = [model for model in MODELS if model._meta.app_label != "routing" and model is not UserRight]


def act(client: Client, model: type, action: str, row: object, comment: str = "looked at it") -> str:
    """Run an action of the changelist; the page that follows."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # type: ignore[attr-defined]
    data = {"action": action, "_selected_action": [row.pk], "comment": comment}  # type: ignore[attr-defined]
    return client.post(address, data, follow=True).content.decode()


def last() -> Entry:
    return Entry.objects.order_by("-sequence")[0]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_can_be_looked_at_and_no_identity_shows(chief: Client, scene: Scene, model: type) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]
    pages = [chief.get(reverse(f"{name}_changelist"))]
    for row in model._default_manager.all():  # type: ignore[attr-defined]
        pages.append(chief.get(reverse(f"{name}_change", args=[row.pk])))
    assert all(page.status_code == 200 for page in pages)
    text = "".join(page.content.decode() for page in pages)
    assert not [needle for needle in NEEDLES if needle in text]


def test_the_destinations_of_a_route_are_listed_by_name(chief: Client, scene: Scene) -> None:
    assert "archive, outbox" in chief.get(reverse("admin:routing_route_changelist")).content.decode()


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_lives_audit_and_vault_cannot_be_written(chief: Client, scene: Scene, model: type) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # type: ignore[attr-defined]
    assert chief.get(reverse(f"{name}_add")).status_code == 403
    for row in model._default_manager.all()[:1]:  # type: ignore[attr-defined]
        assert chief.post(reverse(f"{name}_change", args=[row.pk]), {}).status_code == 403
        assert chief.post(reverse(f"{name}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403


def test_a_study_says_where_it_is_and_what_to_do(chief: Client, scene: Scene) -> None:
    text = chief.get(reverse("admin:studies_study_change", args=[scene.study.pk])).content.decode()
    assert "archive refused Revision 1 (2 images), 0 of 2 acknowledged" in text
    assert "waits for review" in text


def test_a_study_says_until_when_its_files_stay_and_why(chief: Client, scene: Scene) -> None:
    page = reverse("admin:studies_study_change", args=[scene.study.pk])
    assert "Revision 1: It is not delivered yet." in chief.get(page).content.decode()
    Delivery.objects.update(state="delivered", finished_at=NOW)
    [archive] = scene.revision.destinations.filter(name="archive")
    scene.revision.destinations.set([archive])
    Revision.objects.update(state="delivered", ended_at=timezone.now() - timedelta(days=1))
    until = timezone.now() + timedelta(days=6)
    said = f"Revision 1: Its retention has not passed. It stays until {until:%Y-%m-%d}"
    assert said in chief.get(page).content.decode()
    Revision.objects.update(ended_at=NOW)
    assert "Its retention has passed" in chief.get(page).content.decode()
    Revision.objects.update(state="expired", files_gone_at=NOW)
    assert f"Its files went on {NOW:%Y-%m-%d}" in chief.get(page).content.decode()


def test_quarantine_says_when_an_image_goes(chief: Client, scene: Scene) -> None:
    scene.item.goes_at = NOW
    scene.item.save()
    text = chief.get(reverse("admin:quarantine_helditem_changelist")).content.decode()
    assert "Goes at" in text and "field-goes_at" in text and "March 1, 2026" in text


def test_no_encrypted_field_is_on_any_page_of_the_vault() -> None:
    secret = {"wrapped", "wrapped_key", "identity", "token", "blind", "shift_days", "check_mac"}
    assert reverse("admin:index")  # the pages are known from here on
    vault = [view for model, view in admin.site._registry.items() if model._meta.app_label == "vault"]
    assert vault
    for view in vault:
        assert view.fields is not None and not secret & {*view.fields, *map(str, view.list_display)}


class TestTheConfiguration:
    def form(self, **changes: object) -> dict[str, object]:
        node = {
            "name": "CT_EAST",
            "ae_title": "CT_EAST",
            "host": "127.0.0.1",
            "port": 11104,
            "may": ["store"],
        }
        node |= {"view": "pseudonymous", "networks": "", "on_hold": "success", "tls": "off"}
        return node | changes

    def test_what_is_added_leaves_a_mark(self, chief: Client, scene: Scene) -> None:
        answer = chief.post(reverse("admin:routing_node_add"), self.form())
        assert answer.status_code == 302
        assert Node.objects.get(name="CT_EAST").may == ["store"]
        entry = last()
        assert (entry.action, entry.actor, entry.subject) == (
            "configuration.changed",
            "chief",
            "node CT_EAST",
        )

    def test_a_change_marks_its_fields_and_saving_without_one_marks_nothing(
        self, chief: Client, scene: Scene
    ) -> None:
        node = Node.objects.get(name="ARCHIVE")
        address = reverse("admin:routing_node_change", args=[node.pk])
        same = self.form(ae_title="ARCHIVE", port=4242, may=["find"])
        before = Entry.objects.count()
        assert chief.post(address, same).status_code == 302
        assert Entry.objects.count() == before
        assert chief.post(address, same | {"port": 104}).status_code == 302
        assert Node.objects.get(name="ARCHIVE").port == 104
        assert last().detail == {"changes": ["node ARCHIVE updated: Port"]}

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"ae_title": "A\\B"}, "an AE title has 1 to 16"),
            ({"port": 70000}, "give a whole number from 1 to 65535."),
            ({"networks": "10.0.0.1/8"}, "did you mean 10.0.0.0/8?"),
            ({"view": "identified"}, "needs a certificate or networks"),
            (
                {"grant_purpose": "treatment", "grant_until": "2030-01-01"},
                "a grant belongs to view: identified.",
            ),
            ({"name": "ARCHIVE"}, "ARCHIVE has this already."),
            ({"host": "http://x"}, "without http://"),
        ],
    )
    def test_what_configure_refuses_cannot_be_saved(
        self, chief: Client, scene: Scene, changes: dict[str, object], sentence: str
    ) -> None:
        before = load_site()
        answer = chief.post(reverse("admin:routing_node_add"), self.form(**changes))
        assert answer.status_code == 200 and sentence in answer.content.decode().replace("&#x27;", "'")
        assert load_site() == before

    CLOUD = {
        "name": "cloud",
        "kind": "dicomweb",
        "url": "https://dicom.example/root",
        "auth": "bearer",
        "secret": "DESTINATION_CLOUD",
        "header": "X-API-Key",
        "associations": 1,
    }

    def test_a_destination_of_the_web_can_be_made_here_too(self, chief: Client, scene: Scene) -> None:
        assert chief.post(reverse("admin:routing_destination_add"), self.CLOUD).status_code == 302
        cloud = Destination.objects.get(name="cloud")
        assert (cloud.url, cloud.auth, cloud.secret) == (
            "https://dicom.example/root",
            "bearer",
            "DESTINATION_CLOUD",
        )
        (spec,) = [one for one in load_site().destinations if one.name == "cloud"]
        assert (spec.url, spec.header, spec.insecure) == (cloud.url, "X-API-Key", False)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"secret": "SECRET_KEY"}, "beginning with DESTINATION_."),
            ({"url": "http://dicom.example"}, "http:// sends images and secrets in clear"),
            ({"kind": "folder", "path": "out"}, "a folder destination has no url."),
        ],
    )
    def test_what_a_site_file_may_not_say_of_the_web_cannot_be_saved(
        self, chief: Client, scene: Scene, changes: dict[str, object], sentence: str
    ) -> None:
        before = load_site()
        answer = chief.post(reverse("admin:routing_destination_add"), self.CLOUD | changes)
        assert answer.status_code == 200 and sentence in answer.content.decode()
        assert load_site() == before

    def test_hours_and_limits_are_kept_as_a_site_file_would(self, chief: Client, scene: Scene) -> None:
        said = {"windows": "fri 20:00-02:00\n 22:00-06:00 \n", "at_once": "3", "megabytes_per_minute": ""}
        answer = chief.post(reverse("admin:routing_destination_add"), self.CLOUD | said)
        assert answer.status_code == 302
        (spec,) = [one for one in load_site().destinations if one.name == "cloud"]
        assert spec.windows == ("22:00-06:00", "Fri 20:00-02:00")
        assert (spec.at_once, spec.images_per_minute, spec.megabytes_per_minute) == (3, 0, 0)
        assert not apply(load_site(), "nobody")

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            ({"windows": "22:00-06:00\nnight"}, "give hours as 22:00-06:00"),
            ({"windows": "10:00-10:00"}, "this begins where it ends"),
            ({"at_once": "65"}, "give a whole number from 1 to 64."),
            ({"images_per_minute": "-1"}, "greater than or equal to 0"),
            ({"megabytes_per_minute": "many"}, "Enter a whole number."),
        ],
    )
    def test_hours_and_limits_that_are_none_cannot_be_saved(
        self, chief: Client, scene: Scene, said: dict[str, str], sentence: str
    ) -> None:
        answer = chief.post(reverse("admin:routing_destination_add"), self.CLOUD | said)
        assert answer.status_code == 200 and sentence in answer.content.decode()
        assert not Destination.objects.filter(name="cloud").exists()

    def test_an_identified_node_can_be_made_here_too(self, chief: Client, scene: Scene) -> None:
        identified = self.form(
            view="identified",
            networks="127.0.0.1/32\n",
            projects=[Project.objects.get().pk],
            grant_purpose="treatment",
            grant_until="2030-01-01",
        )
        assert chief.post(reverse("admin:routing_node_add"), identified).status_code == 302
        node = Node.objects.get(name="CT_EAST")
        assert node.grant == {"purpose": "treatment", "until": "2030-01-01"}
        assert node.networks == ["127.0.0.1/32"]

    def test_nothing_is_deleted_and_what_is_needed_is_not_retired(self, chief: Client, scene: Scene) -> None:
        archive = Destination.objects.get(name="archive")
        delete = reverse("admin:routing_destination_delete", args=[archive.pk])
        assert chief.post(delete, {"post": "yes"}).status_code == 403
        assert "it is still needed" in act(chief, Destination, "retire", archive)
        assert not Destination.objects.exclude(retired_at=None).exists()

    def test_what_is_wrong_elsewhere_keeps_nobody_from_retiring(self, chief: Client, scene: Scene) -> None:
        Project.objects.create(name="other", recipe="gone")
        assert "1 retired" in act(chief, Route, "retire", Route.objects.get())

    def test_a_route_is_retired_and_reinstated_with_marks(self, chief: Client, scene: Scene) -> None:
        route = Route.objects.get()
        assert "1 retired" in act(chief, Route, "retire", route)
        assert Route.objects.get().is_retired and last().detail["changes"] == ["route * → DICOMRCV retired"]
        assert "1 reinstated" in act(chief, Route, "reinstate", route)
        assert not Route.objects.get().is_retired

    def test_a_destination_is_paused_and_resumed(self, chief: Client, scene: Scene) -> None:
        outbox = Destination.objects.get(name="outbox")
        assert "1 paused" in act(chief, Destination, "pause", outbox)
        assert Destination.objects.get(name="outbox").paused_at and last().actor == "chief"
        assert "1 resumed" in act(chief, Destination, "resume", outbox)
        assert Destination.objects.get(name="outbox").paused_at is None

    def test_who_may_only_view_changes_nothing(self, scene: Scene) -> None:
        viewer = colleague("routing.view_node")
        assert viewer.get(reverse("admin:routing_node_changelist")).status_code == 200
        assert viewer.post(reverse("admin:routing_node_add"), self.form()).status_code == 403

    def test_a_new_user_leaves_a_mark(self, chief: Client, scene: Scene) -> None:
        words = {"username": "newcomer", "password1": "a long new word 7", "password2": "a long new word 7"}
        chief.post(reverse("admin:auth_user_add"), words | {"usable_password": "true"})
        assert last().subject == "user newcomer"


class TestDecisions:
    def test_a_study_in_review_is_approved(self, chief: Client, scene: Scene) -> None:
        assert "1 approved" in act(chief, type(scene.revision), "approve", scene.revision)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "released" and scene.revision.released_at is not None
        entry = last()
        assert (entry.actor, entry.subject, entry.purpose) == ("chief", "2.25.1", "looked at it")

    def test_where_the_audit_was_tampered_with_nothing_is_decided_and_it_is_said(
        self, chief: Client, scene: Scene
    ) -> None:
        Head.objects.update(mac="f" * 64)
        said = act(chief, type(scene.revision), "approve", scene.revision)
        assert "The head of the audit chain was changed; run verify_audit." in said
        scene.revision.refresh_from_db()
        assert scene.revision.state == "review"

    def test_a_rejected_study_can_be_reconsidered(self, chief: Client, scene: Scene) -> None:
        act(chief, type(scene.revision), "reject", scene.revision)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "rejected"
        act(chief, type(scene.revision), "reconsider", scene.revision)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "review"

    def test_a_held_study_is_not_approved_until_it_is_set_free(self, chief: Client, scene: Scene) -> None:
        assert "1 held" in act(chief, Study, "hold", scene.study)
        assert "set it free first" in act(chief, type(scene.revision), "approve", scene.revision)
        assert "1 set free" in act(chief, Study, "set_free", scene.study)
        assert "1 approved" in act(chief, type(scene.revision), "approve", scene.revision)

    def test_a_series_is_excluded_with_a_comment_and_its_study_says_why(
        self, chief: Client, scene: Scene
    ) -> None:
        series = Series.objects.get()
        assert "1 excluded" in act(chief, Series, "exclude_series", series)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "excluded"
        page = chief.get(reverse("admin:studies_study_change", args=[scene.study.pk])).content.decode()
        assert "Series CT (2 images kept) is excluded by chief on " in page
        assert "looked at it" in page
        assert last().action == "study.series-excluded"
        assert "a person has excluded it already" in act(chief, Series, "exclude_series", series)
        assert "1 included" in act(chief, Series, "include_series", series)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "released"

    def test_what_waits_for_review_says_what_is_in_it_and_leads_there(
        self, chief: Client, scene: Scene
    ) -> None:
        page = chief.get(reverse("admin:studies_revision_change", args=[scene.revision.pk])).content.decode()
        assert "quiet for 0 s" in page
        listed = f"{reverse('admin:studies_series_changelist')}?uid=2.25.1.1"
        assert f'<a href="{listed}">CT</a>, images: 2' in page
        assert "2.25.1.1" in chief.get(listed).content.decode()

    def test_what_is_gone_already_is_said(self, chief: Client, scene: Scene) -> None:
        Revision.objects.update(state="delivered")
        said = act(chief, Series, "exclude_series", Series.objects.get())
        assert "2 images are on their way or gone, and are not called back" in said

    def test_deciding_twice_says_so(self, chief: Client, scene: Scene) -> None:
        act(chief, type(scene.revision), "approve", scene.revision)
        assert "somebody was faster" in act(chief, type(scene.revision), "approve", scene.revision)

    def test_a_refused_delivery_is_retried_or_dropped(self, chief: Client, scene: Scene) -> None:
        assert "1 will be tried now" in act(chief, Delivery, "retry", scene.delivery)
        scene.delivery.refresh_from_db()
        assert scene.delivery.state == "waiting"
        assert "1 dropped" in act(chief, Delivery, "drop", scene.delivery)
        scene.delivery.refresh_from_db()
        assert scene.delivery.state == "dropped"

    def test_a_held_image_is_discarded_once(self, chief: Client, scene: Scene) -> None:
        assert "1 discarded" in act(chief, type(scene.item), "discard", scene.item)
        scene.item.refresh_from_db()
        assert (scene.item.state, scene.item.decided_by) == ("discarded", "chief")
        assert "somebody was faster" in act(chief, type(scene.item), "discard", scene.item)

    def test_releasing_asks_the_pipeline_and_shows_its_refusal(
        self, chief: Client, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from proxy import pipeline
        from proxy.reception.held import CannotRelease

        asked: list[tuple[int, str]] = []
        monkeypatch.setattr(pipeline, "release_held", lambda pk, who: asked.append((pk, who)))
        assert "1 released" in act(chief, type(scene.item), "release", scene.item)
        assert asked == [(scene.item.pk, "chief")]
        assert last().detail["decision"] == "release"

        def refuse(pk: int, who: str) -> None:
            raise CannotRelease("Another gate still holds it.")

        monkeypatch.setattr(pipeline, "release_held", refuse)
        assert "Another gate still holds it." in act(chief, type(scene.item), "release", scene.item)

    def test_who_may_only_view_decides_nothing(self, scene: Scene) -> None:
        viewer = colleague("studies.view_revision")
        act(viewer, type(scene.revision), "approve", scene.revision)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "review"


class TestTheFirstPage:
    def test_it_says_whether_books_and_audit_are_fine(self, chief: Client, scene: Scene) -> None:
        house._last.clear()
        text = chief.get(reverse("admin:index")).content.decode()
        assert "The audit chain is whole" in text and "ledger" in text.lower()

    def test_the_ledger_is_a_page(self, chief: Client, scene: Scene) -> None:
        text = chief.get(reverse("admin:ledger")).content.decode()
        assert '<th scope="row">archive</th>' in text

    def test_the_audit_is_verified_on_a_page(self, chief: Client, scene: Scene) -> None:
        assert "The audit chain is whole" in chief.get(reverse("admin:audit_verify")).content.decode()
        unguard()
        Entry.objects.filter(sequence=1).update(actor="nobody")
        assert "tampered" in chief.get(reverse("admin:audit_verify")).content.decode()
        assert not verify().ok

    def test_without_the_audits_key_the_pages_say_so_and_nothing_is_decided(
        self, chief: Client, scene: Scene, keys: Path
    ) -> None:
        (keys / "audit.key").unlink()
        house._last.clear()
        gone = "The key file audit.key is gone"
        assert gone in chief.get(reverse("admin:index")).content.decode()
        assert gone in chief.get(reverse("admin:audit_verify")).content.decode()
        assert gone in act(chief, type(scene.revision), "approve", scene.revision)
        scene.revision.refresh_from_db()
        assert scene.revision.state == "review"

    def test_a_stranger_sees_the_login_alone(self, scene: Scene, client: Client) -> None:
        for name in ("index", "ledger", "audit_verify"):
            assert client.get(reverse(f"admin:{name}")).status_code == 302

    def test_the_ledger_shows_days_and_studies(self, chief: Client, scene: Scene) -> None:
        page = reverse("admin:ledger")
        by_day = chief.get(page, {"by": "day", "since": "2026-02-01"}).content.decode()
        assert '<th scope="row">2026-03-01</th>' in by_day
        by_study = chief.get(page, {"by": "study", "since": "2026-02-01"}).content.decode()
        assert f'<th scope="row">{scene.study.uid}</th>' in by_study
        nothing = chief.get(page, {"by": "study", "since": "2026-02-01", "off": "1"}).content.decode()
        assert "no such line" in nothing

    @pytest.mark.parametrize(
        "said", [{"by": "patient"}, {"since": "yesterday"}, {"since": "9999-99-99"}, {"off": "no"}]
    )
    def test_what_the_ledger_cannot_read_is_as_if_it_were_not_there(
        self, chief: Client, scene: Scene, said: dict[str, str]
    ) -> None:
        text = chief.get(reverse("admin:ledger"), said).content.decode()
        assert "The books" in text and "archive" in text

    def test_staff_without_permissions_sees_neither_ledger_nor_audit(self, scene: Scene) -> None:
        staff = colleague()
        assert staff.get(reverse("admin:ledger")).status_code == 403
        assert staff.get(reverse("admin:audit_verify")).status_code == 403
        assert "audit chain" not in staff.get(reverse("admin:index")).content.decode()


def test_djangos_own_log_holds_no_identity(chief: Client, scene: Scene) -> None:
    address = reverse("admin:vault_person_identity", args=[scene.person.pk])
    chief.post(address, {"purpose": "the referrer called"})
    act(chief, type(scene.revision), "approve", scene.revision)
    kept = "".join(f"{entry.object_repr}{entry.change_message}" for entry in LogEntry.objects.all())
    assert not [needle for needle in NEEDLES if needle in kept]


def test_every_page_says_so_where_images_leave_with_names(chief: Client, settings: Settings) -> None:
    pages = ["index", "ledger", "studies_study_changelist", "routing_node_add", "password_change"]
    addresses = [reverse(f"admin:{page}") for page in pages]
    assert not [page for page in addresses if house.RESTORED in said(chief, page)]
    settings.DICOM_ANONYMIZE_PATIENTS = False
    assert not [page for page in addresses if house.RESTORED not in said(chief, page)]
    assert house.RESTORED in said(Client(), reverse("admin:login"))


def said(client: Client, address: str) -> str:
    page = client.get(address)
    return html.unescape(page.content.decode())


def test_a_right_of_the_backends_users_is_given_on_site_changed_and_taken_under_marks(
    chief: Client, scene: Scene
) -> None:
    said = {"whom": "role", "name": " Radiologist", "project": scene.study.project_id, "until": "2026-12-31"}
    assert chief.post(reverse("admin:backend_userright_add"), said).status_code == 302
    row = UserRight.objects.get()
    assert row.name == "radiologist"
    address = reverse("admin:backend_userright_change", args=[row.pk])
    chief.post(address, {**said, "until": "2027-01-31"})
    chief.post(reverse("admin:backend_userright_delete", args=[row.pk]), {"post": "yes"})
    rows = Entry.objects.filter(
        action="configuration.changed", actor="chief", subject__startswith="userright role"
    )
    assert [str(one.detail).split("until 20")[1][:2] for one in rows.order_by("sequence")] == [
        "26",
        "27",
        "27",
    ]
    assert not UserRight.objects.exists()


def test_a_right_of_nobody_is_not_given(chief: Client, scene: Scene) -> None:
    said = {"whom": "user", "name": "a b", "project": scene.study.project_id, "until": "2026-12-31"}
    text = chief.post(reverse("admin:backend_userright_add"), said).content.decode()
    assert "no such user" in text and not UserRight.objects.exists()

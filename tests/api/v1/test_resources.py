"""Studies, deliveries, held images, nodes: what is said of them, and what persons decide."""

from typing import Any

import pytest
from django.test import Client

from proxy.audit.models import Entry
from proxy.deliveries.models import Delivery
from proxy.quarantine.models import HeldItem
from proxy.routing.models import Node
from tests.api.v1.conftest import staff
from tests.cast import ADA
from tests.scene import Scene


def got(client: Client, path: str) -> Any:
    answer = client.get(path)
    assert answer.status_code == 200, answer.json()
    return answer.json()


def post(client: Client, path: str, body: Any = None) -> Any:
    return client.post(path, {} if body is None else body, content_type="application/json")


def last() -> Entry:
    return Entry.objects.latest("sequence")


class TestStudies:
    def test_a_study_says_what_it_has(self, chief: Client, scene: Scene) -> None:
        said = got(chief, f"/v1/studies/{scene.study.pk}")
        assert (said["uid"], said["patient"], said["project"]) == (
            "2.25.1",
            scene.person.pseudonym,
            "default",
        )
        assert (said["revisions"], said["series"], said["images"]) == (1, 1, 2)
        [series] = said["all_series"]
        assert (series["modality"], series["images"], series["is_excluded"]) == ("CT", 2, False)
        assert said["received_at"] == "2026-03-01T12:00:00Z"

    def test_its_revisions_say_where_they_go(self, chief: Client, scene: Scene) -> None:
        [revision] = got(chief, f"/v1/studies/{scene.study.pk}/revisions")["results"]
        assert (revision["number"], revision["state"], revision["images"]) == (1, "review", 2)
        one = {"number": scene.delivery.pk, "destination": "archive", "state": "refused"}
        assert revision["deliveries"] == [one]

    def test_nothing_of_the_person_is_said(self, chief: Client, scene: Scene) -> None:
        for path in ("/v1/studies", f"/v1/studies/{scene.study.pk}", "/v1/deliveries", "/v1/quarantine"):
            text = chief.get(path).content.decode()
            assert ADA.id not in text and ADA.name not in text and "1.2.3" not in text

    @pytest.mark.parametrize("path", ["/v1/studies/99", "/v1/studies/99/revisions", "/v1/studies/0"])
    def test_one_that_is_not_here_is_not_found(self, chief: Client, scene: Scene, path: str) -> None:
        assert chief.get(path).status_code == 404

    def test_one_is_held_and_set_free_once(self, scene: Scene) -> None:
        client, path = staff("studies.change_study"), f"/v1/studies/{scene.study.pk}"
        for act, is_held, mark in (("hold", True, "study.held"), ("free", False, "study.set-free")):
            answer = post(client, f"{path}/{act}", {"comment": "a second look"})
            assert (answer.status_code, answer.json()["is_held"]) == (200, is_held)
            assert (last().actor, last().purpose) == ("ada", "a second look")
            marks = Entry.objects.count()
            assert post(client, f"{path}/{act}").json() == answer.json() and Entry.objects.count() == marks
            assert last().action == mark

    def test_what_is_held_says_why(self, chief: Client, scene: Scene) -> None:
        path = f"/v1/studies/{scene.study.pk}"
        assert post(chief, f"{path}/hold", {"comment": "wrong side"}).json()["held_reason"] == "wrong side"
        assert [one["is_held"] for one in got(chief, "/v1/studies?held=true")["results"]] == [True]
        assert post(chief, f"{path}/free").json()["held_reason"] == ""

    def test_who_may_look_holds_nothing(self, scene: Scene) -> None:
        viewer = staff("studies.view_study")
        for act in ("hold", "free"):
            assert post(viewer, f"/v1/studies/{scene.study.pk}/{act}").status_code == 403
            assert post(viewer, "/v1/studies/99/hold").status_code == 403
        scene.study.refresh_from_db()
        assert not scene.study.is_held


class TestReview:
    def decide(self, client: Client, scene: Scene, act: str, why: str = "", revision: int = 1) -> Any:
        path = f"/v1/studies/{scene.study.pk}/revisions/{revision}/{act}"
        return post(client, path, {"comment": why})

    @pytest.mark.parametrize(
        ("act", "state", "mark"),
        [("approve", "released", "study.released"), ("reject", "rejected", "study.rejected")],
    )
    def test_what_waits_is_decided_once(self, scene: Scene, act: str, state: str, mark: str) -> None:
        reviewer = staff("studies.change_revision")
        answer = self.decide(reviewer, scene, act, "looked at all of it")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
        assert (last().action, last().actor, last().purpose) == (mark, "ada", "looked at all of it")
        marks = Entry.objects.count()
        assert self.decide(reviewer, scene, act).json() == answer.json() and Entry.objects.count() == marks

    def test_what_was_rejected_waits_again_and_may_leave(self, chief: Client, scene: Scene) -> None:
        for act, state in (("reject", "rejected"), ("reconsider", "review"), ("approve", "released")):
            assert self.decide(chief, scene, act).json()["state"] == state
        answer = self.decide(chief, scene, "reject")
        assert (answer.status_code, answer.json()["code"]) == (409, "not-now")
        assert "It is released" in answer.json()["detail"]

    def test_nothing_of_a_held_study_is_released(self, chief: Client, scene: Scene) -> None:
        post(chief, f"/v1/studies/{scene.study.pk}/hold")
        answer = self.decide(chief, scene, "approve")
        assert answer.status_code == 409 and "set it free first" in answer.json()["detail"]
        scene.revision.refresh_from_db()
        assert scene.revision.state == "review"

    def test_who_may_look_decides_nothing(self, scene: Scene) -> None:
        for act in ("approve", "reject", "reconsider"):
            name = f"viewer-{act}"
            assert self.decide(staff("studies.view_revision", name=name), scene, act).status_code == 403
        scene.revision.refresh_from_db()
        assert scene.revision.state == "review"

    def test_a_revision_that_is_not_here_is_not_found(self, chief: Client, scene: Scene) -> None:
        assert self.decide(chief, scene, "approve", revision=2).status_code == 404
        assert self.decide(chief, scene, "approve", revision=0).status_code == 404


class TestDeliveries:
    def test_a_delivery_says_where_it_stands(self, chief: Client, scene: Scene) -> None:
        said = got(chief, f"/v1/deliveries/{scene.delivery.pk}")
        assert (said["destination"], said["state"], said["priority"]) == ("archive", "refused", "routine")
        assert (said["images"], said["acknowledged"], said["tries"]) == (2, 0, [])

    @pytest.mark.parametrize(
        ("query", "count"),
        [("?state=refused", 1), ("?state=waiting", 0), ("?destination=archive", 1), ("?destination=x", 0)],
    )
    def test_they_are_found(self, chief: Client, scene: Scene, query: str, count: int) -> None:
        assert len(got(chief, f"/v1/deliveries{query}")["results"]) == count
        assert len(got(chief, f"/v1/deliveries?study={scene.study.pk}")["results"]) == 1

    def test_a_refused_one_is_tried_again_with_a_mark(self, chief: Client, scene: Scene) -> None:
        path = f"/v1/deliveries/{scene.delivery.pk}/retry"
        for _ in range(2):
            answer = post(chief, path)
            assert (answer.status_code, answer.json()["state"]) == (200, "waiting")
        assert (last().action, last().actor) == ("delivery.changed-by-a-person", "chief")

    def test_one_that_is_being_sent_is_left_alone(self, chief: Client, scene: Scene) -> None:
        Delivery.objects.update(state="claimed")
        for act in ("retry", "drop"):
            answer = post(chief, f"/v1/deliveries/{scene.delivery.pk}/{act}")
            assert (answer.status_code, answer.json()["code"]) == (409, "not-now")

    def test_to_drop_twice_is_to_drop_once(self, chief: Client, scene: Scene) -> None:
        path = f"/v1/deliveries/{scene.delivery.pk}/drop"
        answer = post(chief, path, {"comment": "archive is closed"})
        assert (answer.status_code, answer.json()["state"]) == (200, "dropped")
        assert last().purpose == "archive is closed"
        marks = Entry.objects.count()
        assert post(chief, path).json() == answer.json() and Entry.objects.count() == marks

    @pytest.mark.parametrize(
        "body",
        [{"comment": "x" * 256}, {"comment": None}, {"comment": ["x"]}, {"coment": "x"}, [], "x", 7],
    )
    def test_a_comment_that_is_none_decides_nothing(self, chief: Client, scene: Scene, body: Any) -> None:
        answer = post(chief, f"/v1/deliveries/{scene.delivery.pk}/drop", body)
        assert answer.status_code == 400
        assert Delivery.objects.get().state == "refused"

    def test_who_may_look_may_not_decide(self, scene: Scene) -> None:
        viewer = staff("deliveries.view_delivery")
        assert viewer.get("/v1/deliveries").status_code == 200
        assert post(viewer, f"/v1/deliveries/{scene.delivery.pk}/drop").status_code == 403
        assert Delivery.objects.get().state == "refused"


class TestQuarantine:
    def test_a_held_image_says_why(self, chief: Client, scene: Scene) -> None:
        said = got(chief, f"/v1/quarantine/{scene.item.pk}")
        assert (said["state"], said["code"], said["uid"]) == ("held", "burned-in", "2.25.1.1.9")
        assert "path" not in said and "header_mac" not in said
        assert got(chief, "/v1/quarantine?code=burned-in&state=held")["results"] == [said]

    def test_to_discard_twice_is_to_discard_once(self, chief: Client, scene: Scene) -> None:
        path = f"/v1/quarantine/{scene.item.pk}/discard"
        answer = post(chief, path, {"comment": "screenshot"})
        assert (answer.status_code, answer.json()["state"]) == (200, "discarded")
        assert (answer.json()["decided_by"], answer.json()["comment"]) == ("chief", "screenshot")
        marks = Entry.objects.count()
        assert post(chief, path).json() == answer.json() and Entry.objects.count() == marks

    def test_what_was_decided_otherwise_stays_so(self, chief: Client, scene: Scene) -> None:
        HeldItem.objects.update(state="released")
        assert post(chief, f"/v1/quarantine/{scene.item.pk}/release").json()["state"] == "released"
        answer = post(chief, f"/v1/quarantine/{scene.item.pk}/discard")
        assert (answer.status_code, answer.json()["detail"]) == (409, "It was released already.")
        HeldItem.objects.update(state="expired")
        assert post(chief, f"/v1/quarantine/{scene.item.pk}/release").status_code == 409

    def test_what_cannot_be_released_says_why_and_stays_held(self, chief: Client, scene: Scene) -> None:
        scene.item.route.retired_at = scene.item.held_at
        scene.item.route.save()
        answer = post(chief, f"/v1/quarantine/{scene.item.pk}/release", {"comment": "looked at it"})
        assert (answer.status_code, answer.json()["code"]) == (409, "not-now")
        assert "reinstate it first" in answer.json()["detail"]
        assert HeldItem.objects.get().state == "held" and last().purpose == "looked at it"


class TestNodes:
    def test_a_node_says_how_it_is_reached(self, chief: Client, scene: Scene) -> None:
        [said] = got(chief, "/v1/nodes?ae_title=ARCHIVE")["results"]
        assert (said["host"], said["port"], said["may"], said["is_in_force"]) == (
            "127.0.0.1",
            4242,
            ["find"],
            True,
        )
        assert got(chief, f"/v1/nodes/{said['number']}") == said
        assert got(chief, "/v1/nodes?in_force=false")["results"] == []

    def test_that_one_does_not_answer_is_an_answer(self, chief: Client, scene: Scene) -> None:
        node = Node.objects.get()
        Node.objects.update(port=1)
        answer = post(chief, f"/v1/nodes/{node.pk}/echo")
        assert (answer.status_code, answer.json()["answers"]) == (200, False)
        assert answer.json()["why"]

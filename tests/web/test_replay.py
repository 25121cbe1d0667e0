"""What a person sends once more, first or last, on the admin's pages."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from proxy.deliveries.models import Delivery
from proxy.routing.models import Destination
from proxy.studies.models import Revision
from tests.scene import NOW, Scene
from tests.web.conftest import colleague
from tests.web.test_admin import act, last


class TestReplaying:
    """A destination lost what it had."""

    def page(self, name: str = "archive") -> str:
        return reverse("admin:routing_destination_replay", args=[Destination.objects.get(name=name).pk])

    def arrived(self) -> Delivery:
        Delivery.objects.update(state="delivered", acknowledged=2, finished_at=NOW)
        return Delivery.objects.get()

    SAID = {"since": "2026-03-01 12:30", "priority": "2", "comment": "its disk was lost"}  # in Berlin

    @pytest.fixture(autouse=True)
    def in_berlin(self, settings: Settings) -> None:
        settings.SITE_TIME_ZONE = "Europe/Berlin"

    def test_the_action_leads_to_the_page_and_a_look_changes_nothing(
        self, chief: Client, scene: Scene
    ) -> None:
        self.arrived()
        shown = act(chief, Destination, "replay", Destination.objects.get(name="archive"))
        assert "Times are those of Europe/Berlin" in shown and 'name="send"' not in shown
        looked = chief.post(self.page(), self.SAID | {"look": "1"}).content.decode()
        assert "1 delivery (2 images) goes once more." in looked and 'name="send"' in looked
        assert Delivery.objects.get().state == "delivered"

    def test_what_is_excluded_is_counted_and_stays(self, chief: Client, scene: Scene) -> None:
        delivery = self.arrived()
        Revision.objects.update(state="excluded")
        looked = chief.post(self.page(), self.SAID | {"look": "1"}).content.decode()
        assert "1 cannot: a series is excluded by now." in looked and 'name="send"' not in looked
        assert "its files are gone, or a series of it is excluded" in act(chief, Delivery, "retry", delivery)

    def test_it_goes_once_more_with_a_mark(self, chief: Client, scene: Scene) -> None:
        delivery = self.arrived()
        answer = chief.post(self.page(), self.SAID | {"send": "1"}, follow=True).content.decode()
        assert "1 delivery (2 images) goes to archive once more." in answer
        delivery.refresh_from_db()
        assert delivery.state == "waiting"
        assert (last().actor, last().purpose, last().detail["priority"]) == (
            "chief",
            "its disk was lost",
            "bulk",
        )

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"since": ""}, "This field is required."),
            ({"since": "yesterday"}, "Enter a valid date/time."),
            ({"since": "2999-01-01 00:00"}, "This begins in the future"),
            ({"until": "2026-02-01 00:00"}, "This ends before it begins."),
            ({"priority": "7"}, "Select a valid choice."),
        ],
    )
    def test_what_cannot_be_meant_sends_nothing(
        self, chief: Client, scene: Scene, changes: dict[str, str], sentence: str
    ) -> None:
        self.arrived()
        answer = chief.post(self.page(), self.SAID | {"send": "1"} | changes).content.decode()
        assert sentence in answer
        assert Delivery.objects.get().state == "delivered"

    def test_who_may_not_decide_about_deliveries_may_not_replay(self, scene: Scene) -> None:
        self.arrived()
        client = colleague("routing.view_destination", "routing.change_destination")
        assert client.get(self.page()).status_code == 403
        assert client.post(self.page(), self.SAID | {"send": "1"}).status_code == 403
        assert Delivery.objects.get().state == "delivered"

    def test_looking_at_the_address_alone_sends_nothing(self, chief: Client, scene: Scene) -> None:
        self.arrived()
        assert chief.get(self.page(), self.SAID | {"send": "1"}).status_code == 200
        assert Delivery.objects.get().state == "delivered"

    def test_a_study_is_sent_before_others_or_after_them(self, chief: Client, scene: Scene) -> None:
        assert "1 will go before others" in act(chief, Delivery, "first", scene.delivery)
        assert Delivery.objects.get().get_priority_display() == "Urgent"
        assert "1 will go after others" in act(chief, Delivery, "last", scene.delivery)
        assert last().detail["decision"] == "bulk"


def test_who_tries_again_hears_that_nothing_goes_there_now(chief: Client, scene: Scene) -> None:
    assert "Nothing goes to" not in act(chief, Delivery, "retry", scene.delivery)
    Destination.objects.filter(name="archive").update(paused_at=NOW)
    said = act(chief, Delivery, "retry", scene.delivery)
    assert "Nothing goes to archive now: a person paused this destination. Resume it" in said

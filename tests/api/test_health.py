"""`/api/health/` really asks, tells strangers nothing, and waits for nobody for long."""

import threading
import time
from itertools import chain, repeat

import pytest
from django.conf import LazySettings
from django.test import Client

from proxy.api import looking
from proxy.api.looking import Look, Looker
from tests.api.conftest import Told
from tests.cluster import free_port


@pytest.mark.parametrize("path", ["/api/health/", "/api/health"])
def test_a_house_that_is_well_says_so(told: Told, path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "healthy",
        "service": "postern",
        "checks": {"database": "ok", "disk": "ok", "listener": "ok"},
    }


def test_a_house_that_is_not_well_says_which_part_and_no_more(told: Told) -> None:
    told.told = Look({"database": True, "disk": False})
    answer = Client().get("/api/health/")
    assert (answer.status_code, answer.json()["status"]) == (503, "unhealthy")
    assert answer.json()["checks"] == {"database": "ok", "disk": "failing"}
    assert answer["Cache-Control"] == "no-store"


def test_watchers_are_not_counted(told: Told, settings: LazySettings) -> None:
    settings.API_REQUESTS_PER_MINUTE = 1
    assert {Client().get("/api/health/").status_code for _ in range(5)} == {200}


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "/api/nothing", "/api/health/more", "/api/health/Exampleova"]
)
def test_what_is_no_door_says_so_in_json(path: str) -> None:
    answer = Client().get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    assert "Exampleova" not in answer.content.decode()


# --- looking ------------------------------------------------------------------------------------------


def test_one_look_serves_everybody_who_comes_meanwhile() -> None:
    asked: list[float] = []

    def slowly() -> bool:
        asked.append(time.monotonic())
        time.sleep(0.3)
        return True

    looker, found = Looker({"part": slowly}), list[Look]()
    threads = [threading.Thread(target=lambda: found.append(looker.look())) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert len(found) == 8 and all(one.is_well for one in found) and len(asked) == 1


def test_an_old_answer_is_asked_again() -> None:
    now, answers = [0.0], iter([True, False])
    looker = Looker({"part": lambda: next(answers)}, clock=lambda: now[0])
    assert looker.look().is_well
    now[0] = looking.FRESH_FOR - 0.1
    assert looker.look().is_well
    now[0] = looking.FRESH_FOR + 0.1
    assert not looker.look().is_well


def test_a_part_that_hangs_is_an_answer_and_holds_up_nobody_twice() -> None:
    """By its clock the look began long ago; whoever waited for the part, would hear that it is well."""
    release, times = threading.Event(), chain([0.0], repeat(100.0))
    looker = Looker({"part": lambda: not release.wait(10)}, patience=60, clock=lambda: next(times))
    assert not looker.look().is_well
    assert not looker.look().is_well
    release.set()


def test_a_part_that_cannot_be_asked_is_not_well(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bool:
        raise OSError("Exampleova")

    assert Looker({"part": broken, "other": lambda: True}).look().parts == {"part": False, "other": True}
    assert "Exampleova" not in caplog.text


@pytest.mark.django_db
def test_the_parts_are_really_asked(settings: LazySettings) -> None:
    settings.DICOM_PORT, settings.DISK_WATERMARK = free_port(), 0
    assert looking.database() and looking.disk() and not looking.reads()
    settings.DISK_WATERMARK = 10_000_000_000
    assert not looking.disk()

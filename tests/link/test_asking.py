"""The configuration over HTTP: each answer has its state and its sentence, and none loosens anything."""

import json
import logging
import time
from itertools import pairwise

import pytest
from django.conf import LazySettings

from proxy.backend import remembered
from proxy.backend.models import Standing
from proxy.link.asking import Asker, ask_once
from proxy.link.rest import LARGEST_ANSWER
from proxy.routing.models import Node
from tests.backend.platform import CONFIGURATION, Answer, Platform, until
from tests.backend.said import PACS, WARD, configuration

pytestmark = pytest.mark.django_db


def standing() -> Standing:
    return Standing.objects.get()


def test_what_it_says_holds(platform: Platform) -> None:
    assert ask_once()
    assert standing().state == Standing.KNOWN and standing().workspace == "w1"
    assert not Node.objects.get(name="backend:PACS").is_retired


def test_our_key_goes_in_its_header(platform: Platform, settings: LazySettings) -> None:
    settings.ITH_TOKEN = "wrong"
    assert not ask_once()
    assert (standing().state, "ITH_TOKEN" in standing().reason) == (Standing.UNAUTHORISED, True)
    assert "wrong" not in platform.asked[0]


@pytest.mark.parametrize(
    ("answer", "state", "closes"),
    [
        (Answer(401, b"{}"), Standing.UNAUTHORISED, False),
        (Answer(403, b'{"detail": "inactive"}'), Standing.INACTIVE, True),
        (Answer(403, b"<html>a firewall</html>"), Standing.AWAY, False),
        (Answer(404, b"{}"), Standing.UNKNOWN, False),
        (Answer(500, b"Exampleova"), Standing.AWAY, False),
        (Answer(302, headers={"Location": "/elsewhere"}), Standing.NONSENSE, False),
        (Answer(200, b"<html>"), Standing.NONSENSE, False),
        (Answer(200, b"[1]"), Standing.NONSENSE, False),
        (Answer(200, b"[" * 200_000), Standing.NONSENSE, False),
        (Answer(200, b"{" + b" " * LARGEST_ANSWER + b"}", is_chunked=True), Standing.NONSENSE, False),
        (Answer(200, json.dumps(configuration(WARD)).encode(), cut_after=30), Standing.AWAY, False),
    ],
)
def test_each_trouble_leaves_what_holds(
    platform: Platform, caplog: pytest.LogCaptureFixture, answer: Answer, state: str, closes: bool
) -> None:
    ask_once()
    platform.answers[CONFIGURATION] = answer
    assert not ask_once()
    row = standing()
    assert row.state == state and row.reason
    assert remembered.load_table().is_closed == closes
    assert [node.name for node in remembered.last_known().nodes] == ["PACS"]
    assert "Exampleova" not in caplog.text
    del platform.answers[CONFIGURATION]
    assert ask_once() and not remembered.load_table().is_closed


def test_a_start_without_the_backend_goes_on_with_the_last_one(
    platform: Platform, settings: LazySettings
) -> None:
    ask_once()
    settings.ITH_URL = "http://127.0.0.1:1"
    assert not ask_once()
    assert standing().state == Standing.AWAY and not Node.objects.get(name="backend:PACS").is_retired


def test_refused_and_unknown_fields_are_logged_without_their_values(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    platform.configuration = configuration(PACS | {"port": "Exampleova"}, surprise="Exampleova")
    with caplog.at_level(logging.INFO, "proxy"):
        ask_once()
    assert "nodes[0].port" in caplog.text and "surprise" in caplog.text
    assert "Exampleova" not in caplog.text


def test_it_is_asked_again_after_trouble_and_when_wanted() -> None:
    answers = iter([False, False, True, True])
    asked: list[bool] = []

    def ask() -> bool:
        asked.append(next(answers))
        return asked[-1]

    asker = Asker(ask, chance=lambda: 0.99)
    asker.start()
    until(lambda: asked == [False, False, True])
    asker.want()
    until(lambda: len(asked) == 4)
    asker.stop(2.0)


def test_a_backend_that_shouts_is_asked_now_and_then() -> None:
    asked: list[float] = []

    def ask() -> bool:
        asked.append(time.monotonic())
        return True

    asker = Asker(ask)
    asker.start()
    end = time.monotonic() + 2.5
    while time.monotonic() < end:
        asker.want()
        time.sleep(0.01)
    asker.stop(2.0)
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert pauses and min(pauses) > 0.9

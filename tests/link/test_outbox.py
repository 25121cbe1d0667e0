"""What must arrive is sent again until it was acknowledged or superseded."""

from datetime import UTC, datetime, timedelta

import pytest

from proxy.backend import outbox
from proxy.backend.models import Outgoing

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def bodies(at: datetime) -> list[object]:
    return [body["n"] for _, body in outbox.due(at)]


def test_a_newer_message_takes_the_place_of_the_older() -> None:
    outbox.put("one", {"n": 1}, NOW)
    outbox.put("two", {"n": 2}, NOW + timedelta(seconds=1))
    outbox.put("one", {"n": 3}, NOW + timedelta(seconds=2))
    assert bodies(NOW + timedelta(seconds=2)) == [2, 3]


def test_it_is_sent_again_until_it_is_acknowledged() -> None:
    outbox.put("one", {"n": 1}, NOW)
    [(sent, _)] = outbox.due(NOW)
    outbox.note_sent(sent, NOW)
    assert bodies(NOW + timedelta(seconds=1)) == []
    assert bodies(NOW + outbox.AGAIN_AFTER) == [1]
    outbox.send_all_again(NOW + timedelta(seconds=2))
    assert bodies(NOW + timedelta(seconds=2)) == [1]
    assert outbox.acknowledge(sent) and not outbox.acknowledge(sent)
    assert not Outgoing.objects.exists()


def test_an_acknowledgement_of_the_older_is_none_of_the_newer() -> None:
    outbox.put("one", {"n": 1}, NOW)
    [(sent, _)] = outbox.due(NOW)
    outbox.put("one", {"n": 2}, NOW)
    outbox.note_sent(sent, NOW)
    assert not outbox.acknowledge(sent)
    assert bodies(NOW) == [2]
